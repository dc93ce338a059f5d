"""Decodes the registered videos into the frame store and its table of videos. `python -m stages.decode DATASET`"""

from pathlib import Path

from stages.arguments import parse
from stages.code import code_of
from stages.entry import run_stage
from stages.paths import Paths


def main() -> None:
    arguments, params, dataset = parse(__doc__)
    paths = Paths(arguments.dataset)

    from objabn.preflight.check import stop_unless_ready

    stop_unless_ready(arguments.dataset, params, "decode")

    from objabn.decoding.decode import decode_videos
    from objabn.index.table import read_index
    from objabn.stores.table import describe_losses

    index = read_index(paths.data("index.csv"))
    table = decode_videos(
        index,
        Path(dataset.videos),
        paths.data("frames"),
        dataset.decode,
        workers=dataset.machine.decode_workers,
        timeout_sec=dataset.machine.decode_timeout_sec,
        code=code_of("decode"),
        max_failed=dataset.machine.max_failed,
        key=f"datasets.{arguments.dataset}.videos",
    )
    counts = table["status"].value_counts()
    print(
        f"{len(table)} videos: {', '.join(f'{counts.get(name, 0)} {name}' for name in ('ok', 'truncated', 'failed'))}"
    )
    for line in describe_losses(table):
        print(line)


if __name__ == "__main__":
    run_stage(main)
