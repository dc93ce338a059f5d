"""Instance masks of every decoded frame, through the side cache. `python -m stages.segment DATASET`"""

import json
from pathlib import Path

from stages import Paths, run_stage
from stages.arguments import parse


def main() -> None:
    arguments, _, dataset = parse(__doc__)
    paths = Paths(arguments.dataset)

    from objabn.cache import Cache
    from objabn.decoding import check_missing
    from objabn.files import replace_dir, write_text
    from objabn.segmentation import quality, segment_videos
    from objabn.segmenters import build, settings_key, video_key
    from objabn.sources import open_frames
    from objabn.stores import read_table

    table = read_table(paths.data("frames"))
    check_missing(table, dataset.decode.max_failed)  # before the expensive part
    settings = dataset.segment.model_dump()
    stored = dataset.decode.model_dump(include={"height", "width", "codec", "quality", "store"})
    with replace_dir(paths.data("masks")) as store:
        segmented, cached = segment_videos(
            table,
            open_frames(paths.data("frames"), Path(dataset.videos), dataset.decode),
            store,
            build=lambda: build(**settings),
            key={"segment": settings_key(**settings), "decode": stored},
            cache=Cache(),
            video_key=video_key(**settings),
        )
    print(f"{segmented} videos segmented, {cached} found in the side cache")
    report = quality(table, paths.data("masks"), Path(dataset.truth) if dataset.truth else None)
    write_text(paths.segment_report, json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    run_stage(main)
