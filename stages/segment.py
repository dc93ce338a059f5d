"""Instance masks of every decoded frame, through the side cache, and how good they are.

`python -m stages.segment DATASET`
"""

from functools import partial
from pathlib import Path

from objabn.config.segmenters import Import, Motion
from stages.arguments import parse
from stages.entry import run_stage
from stages.paths import Paths


def main() -> None:
    arguments, _, dataset = parse(__doc__)
    paths = Paths(arguments.dataset)

    import torch

    from objabn.segmentation import local_engine, ray_engine
    from objabn.segmentation.contact_sheet import draw_masks
    from objabn.segmentation.provenance import report_text
    from objabn.segmentation.quality import summarise, video_quality
    from objabn.segmentation.segment import make_compute, segment_videos
    from objabn.segmentation.segmenters.choice import build
    from objabn.segmentation.units import dataset_units
    from objabn.stores.frames import open_frames
    from objabn.stores.table import check_missing, read_table
    from objabn.stores.truth import open_truth
    from objabn.system.cache import Cache
    from objabn.system.files import replace_dir, write_text
    from objabn.system.gpus import leased_gpus
    from objabn.system.locks import one_at_a_time

    table = read_table(paths.data("frames"))
    check_missing(table, dataset.machine.max_failed)  # this and the truth before the expensive part
    truths = open_truth(dataset.truth, table, dataset.decode.stride) if dataset.truth else None
    frames = open_frames(paths.data("frames"), Path(dataset.videos), dataset.decode)
    masks = paths.data("masks")
    names = dataset_units(table, dataset, bring=True)
    torch.set_num_threads(1)  # of each process that segments: a sum's last bit depends on their number
    cache = Cache()
    make = partial(make_compute, paths.data("frames"), dataset, cache=cache.root)
    by_ray = dataset.machine.segment_engine == "ray"
    may_lease = not (by_ray or isinstance(dataset.segment, Motion | Import))  # Ray shares out the GPUs itself
    with one_at_a_time(masks.parent), leased_gpus(1, "auto" if may_lease else "cpu"):  # nothing asks CUDA before
        on_gpu = may_lease and torch.cuda.is_available()
        is_json = isinstance(dataset.segment, Import) and Path(dataset.segment.masks).is_file()
        here = on_gpu or (is_json and not by_ray)  # that file is read as a whole: by one process
        engine = ray_engine.fill if by_ray else local_engine.fill
        with replace_dir(masks) as store:
            segmented, cached = segment_videos(
                table,
                names,
                frames,
                store,
                make_segmenter=lambda: build(**dataset.segment.model_dump(), decode_stride=dataset.decode.stride),
                cache=cache,
                fill=None if here else partial(engine, make=make, workers=dataset.machine.segment_workers),
                overlap=on_gpu and getattr(dataset.segment, "overlap", True),
                groups=dataset.plane_names,
            )
        print(f"{segmented} videos segmented, {cached} found in the side cache")
        per_video = video_quality(table, masks, truths)
        units = per_video.assign(unit=names)
        write_text(paths.segment_report, report_text(summarise(per_video), dataset.segment))
        write_text(paths.segment_report.with_suffix(".csv"), units.to_csv(index=False, lineterminator="\n"))
        draw_masks(per_video, frames, masks, truths, paths.mask_picture)


if __name__ == "__main__":
    run_stage(main)
