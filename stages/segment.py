"""Instance masks of every decoded frame, through the side cache. `python -m stages.segment DATASET`"""

import json
from pathlib import Path

from objabn.cache import Cache
from objabn.decoding import check_missing
from objabn.files import replace_dir, write_text
from objabn.segmentation import quality, segment_videos
from objabn.segmenters import build, settings_key
from objabn.sources import open_frames
from objabn.stores import read_table
from stages import Paths, run_stage
from stages.arguments import parse


def main() -> None:
    arguments, _, dataset = parse(__doc__)
    paths = Paths(arguments.dataset)
    table = read_table(paths.frames)
    check_missing(table, dataset.decode.max_failed)  # before the expensive part
    frames = open_frames(paths.frames, Path(dataset.videos), dataset.decode)
    settings = dataset.segment.model_dump()
    stored = dataset.decode.model_dump(include={"height", "width", "codec", "quality"})
    with replace_dir(paths.masks) as store:
        segmented, cached = segment_videos(
            table,
            frames,
            store,
            build=lambda: build(**settings),
            key={"segment": settings_key(**settings), "decode": stored},
            cache=Cache(),
        )
    print(f"{segmented} videos segmented, {cached} found in the side cache")
    truth = Path(dataset.truth) if dataset.truth else None
    report = quality(table, paths.masks, truth)
    write_text(paths.segment_report, json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    run_stage(main)
