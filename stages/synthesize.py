"""Embedded data: videos, their ground-truth masks and index.csv. `python -m stages.synthesize synthetic`"""

from stages.arguments import parse
from stages.entry import run_stage
from stages.paths import Paths


def main() -> None:
    arguments, params, dataset = parse(__doc__)
    paths = Paths(arguments.dataset)
    if dataset.synthesize is None:
        raise ValueError(f"params.yaml: datasets.{arguments.dataset}.synthesize: missing")
    truth_store = dataset.truth.store if dataset.truth else None
    for name, key, given in (("videos", "videos", dataset.videos), ("truth", "truth.store", truth_store)):  # replaced
        if given != paths.data(name).as_posix():
            expected = paths.data(name).as_posix()
            raise ValueError(f"params.yaml: datasets.{arguments.dataset}.{key}: expected {expected}, got {given}")

    from objabn.preflight.check import stop_unless_ready

    stop_unless_ready(arguments.dataset, params, "synthesize")

    import pandas as pd

    from objabn.index.table import build, write_index
    from objabn.synthetic.scenes import plan
    from objabn.synthetic.synthesize import write_videos
    from objabn.system.files import replace_dir

    scenes = plan(**dataset.synthesize.model_dump())
    with replace_dir(paths.data("videos")) as videos, replace_dir(paths.data("truth")) as truth:
        listed = write_videos(scenes, videos, truth)
        index, missing = build(pd.DataFrame(listed), videos)
        if len(missing):
            raise ValueError(f"{videos}/{missing['path'][0]}: was just written, and {missing['reason'][0]}")
        write_index(index, paths.data("index.csv"))


if __name__ == "__main__":
    run_stage(main)
