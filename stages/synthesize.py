"""Embedded data: videos, their ground-truth masks and index.csv. `python -m stages.synthesize synthetic`"""

from pathlib import Path

import pandas as pd

from objabn.files import replace_dir
from objabn.index import build, write_index
from objabn.synthetic import plan
from objabn.synthetic_files import write_videos
from stages import Paths, run_stage
from stages.arguments import parse


def main() -> None:
    arguments, _, dataset = parse(__doc__)
    if dataset.synthesize is None or dataset.truth is None:
        raise ValueError(f"params.yaml: datasets.{arguments.dataset}: expected the blocks synthesize and truth")
    scenes = plan(**dataset.synthesize.model_dump())
    with replace_dir(Path(dataset.videos)) as videos, replace_dir(Path(dataset.truth)) as truth:
        listed = write_videos(scenes, videos, truth)
        index, missing = build(pd.DataFrame(listed), videos)
        assert missing.empty
        write_index(index, Paths(arguments.dataset).index)


if __name__ == "__main__":
    run_stage(main)
