"""`python -m objabn truth <layout>`: makes a store of ground truth from boxes that others have drawn (docs/truth.md).

python -m objabn truth ucf101-24 --annotations PATH            # folder of the xgtf files, or pyannot.pkl
python -m objabn truth something-else --annotations PATH ...   # the json files, or the folder of them

It needs the data set's decoded videos: their numbers of frames. The store is written whole or not at all.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from objabn.config.file import load_params

LAYOUTS = {"ucf101-24": "ucf101", "something-else": "ssv2"}  # and the data set that each is of
_EXAMPLES = 3  # names that are shown of what is left out


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `truth` with a parser's subcommands; `args.run(args)` returns 0 or raises ValueError."""
    parser = subparsers.add_parser("truth", help="make a store of ground truth from the boxes of a published data set")
    add = parser.add_argument
    add("layout", choices=tuple(LAYOUTS), help="ucf101-24: persons who act; something-else: hands and objects")
    add(
        "--annotations",
        type=Path,
        nargs="+",
        required=True,
        metavar="PATH",
        help="ucf101-24: the folder of <class>/<video>.xgtf, or pyannot.pkl; "
        "something-else: bounding_box_smthsmth_part1.json and so on, or the folder of them",
    )
    add("--dataset", help="its block in params.yaml (default: ucf101, ssv2)")
    add("--out", type=Path, help="directory of the store (default: data/<dataset>/truth); what is there is replaced")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the store and print what it covers, what is left out and the block of params.yaml; 0.

    Raises:
        ValueError: no such data set, its videos are not decoded, or what the readers refuse.
    """
    name = args.dataset or LAYOUTS[args.layout]
    params = load_params()
    if name not in params.datasets:
        raise ValueError(f"truth: --dataset, expected one of {', '.join(sorted(params.datasets))}, got {name!r}")
    dataset = params.datasets[name]
    if dataset.synthesize is not None:
        raise ValueError(f"truth: --dataset, expected a data set of videos, got {name!r}, which makes its own truth")
    if args.layout == "ucf101-24" and len(args.annotations) > 1:
        raise ValueError(f"truth ucf101-24: --annotations, expected one path, got {len(args.annotations)}")

    from objabn.stores.table import TABLE, read_table
    from objabn.truth import something_else, ucf101_24
    from objabn.truth.write import videos_of, write_store

    frames = Path("data", name, "frames")
    if not (frames / TABLE).is_file():
        made = f"`dvc repro decode@{name}` with `dataset: {name}` makes it"
        raise ValueError(f"{frames / TABLE}: expected the table of the decoded videos, found none; {made}")
    table = read_table(frames)
    videos = videos_of(table, dataset.decode.stride)
    if args.layout == "ucf101-24":
        read, group = ucf101_24.read_ucf101_24(args.annotations[0], videos), ucf101_24.GROUP
    else:
        read, group = something_else.read_something_else(args.annotations, videos), something_else.GROUP
    store = args.out or Path("data", name, "truth")
    written = write_store(store, videos, read, [group])
    tested = set(table["video"][table["split"] == "test"])
    print(f"wrote {store}: annotations of {written.frames:,} frames of {len(written.videos):,} videos, ", end="")
    print(f"{len(tested & set(written.videos)):,} of them test videos; {name} has {len(videos):,} videos")
    for reason, names in written.left_out.items():
        print(f"left out {len(names):,} annotated videos, such as {', '.join(names[:_EXAMPLES])}: {reason}")
    block = [f"store: {store.as_posix()}", "score_threshold: 0.5", "groups:", f"  - {group}"]
    print("\n".join([f"params.yaml: datasets.{name}.truth has to be", *(f"      {line}" for line in block)]))
    return 0
