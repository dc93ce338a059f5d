"""`python -m objabn truth <layout>`: makes a store of ground truth from boxes or masks (docs/truth.md).

python -m objabn truth ucf101-24 --annotations PATH            # folder of the xgtf files, or pyannot.pkl
python -m objabn truth something-else --annotations PATH ...   # the json files, or the folder of them
python -m objabn truth jhmdb --annotations DIR                 # puppet masks, <class>/<name>/puppet_mask.mat
python -m objabn truth png --annotations DIR --dataset NAME    # masks of your own, <video id>/<frame number>.png
python -m objabn truth coco --annotations FILE --dataset NAME  # the same as a COCO json, or boxes

It needs the data set's decoded videos: their numbers of frames. The store is written whole or not at all.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from objabn.config.file import load_params

if TYPE_CHECKING:
    from objabn.truth.videos import Videos
    from objabn.truth.write import Read

LAYOUTS = {  # and the data set of each
    "ucf101-24": "ucf101",
    "something-else": "ssv2",
    "jhmdb": "jhmdb",
    "png": None,
    "coco": None,
}
_EXAMPLES = 3  # names that are shown of what is left out
_RENAME = "rename the directory, and name the new one in params.yaml"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `truth` with a parser's subcommands; `args.run(args)` returns 0 or raises ValueError."""
    parser = subparsers.add_parser("truth", help="make a store of ground truth from boxes or masks")
    add = parser.add_argument
    layouts = (
        "ucf101-24: persons who act; something-else: hands and objects; jhmdb: the actor; png, coco: masks of your own"
    )
    add("layout", choices=tuple(LAYOUTS), help=layouts)
    add(
        "--annotations",
        type=Path,
        nargs="+",
        required=True,
        metavar="PATH",
        help="ucf101-24: the folder of <class>/<video>.xgtf, or pyannot.pkl; "
        "something-else: bounding_box_smthsmth_part1.json and so on, or the folder of them; "
        "jhmdb: the folder of <class>/<name>/puppet_mask.mat; "
        "png: the directory of <video id>/<frame number>.png; coco: the json",
    )
    add("--dataset", help="its block in params.yaml (default: ucf101, ssv2, jhmdb; none for png and coco)")
    add("--out", type=Path, help="directory of the store (default: data/<dataset>/truth); a store there is replaced")
    add("--first-frame", type=int, default=0, metavar="N", help="png, coco: the number of a first frame (default: 0)")
    add("--class-name", default="person", help="png, coco: of instances without a class (default: person)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the store and print what it covers, what is left out and the block of params.yaml; 0.

    Raises:
        ValueError: no such data set, its videos are not decoded, something else than a truth store stands where it
            shall be written, or what the readers refuse.
    """
    name = args.dataset or LAYOUTS[args.layout]
    if name is None:
        raise ValueError(f"truth {args.layout}: --dataset, expected a block of params.yaml, got nothing")
    params = load_params()
    if name not in params.datasets:
        raise ValueError(f"truth: --dataset, expected one of {', '.join(sorted(params.datasets))}, got {name!r}")
    dataset = params.datasets[name]
    if dataset.synthesize is not None:
        raise ValueError(f"truth: --dataset, expected a data set of videos, got {name!r}, which makes its own truth")
    if args.layout != "something-else" and len(args.annotations) > 1:
        raise ValueError(f"truth {args.layout}: --annotations, expected one path, got {len(args.annotations)}")

    from objabn.stores.splits import in_split
    from objabn.stores.table import TABLE, read_table
    from objabn.truth.videos import Videos
    from objabn.truth.write import write_store

    store = args.out or Path("data", name, "truth")
    is_new = _is_free(store)
    frames = Path("data", name, "frames")
    if not (frames / TABLE).is_file():
        made = f"`dvc repro decode@{name}` with `dataset: {name}` makes it"
        raise ValueError(f"{frames / TABLE}: expected the table of the decoded videos, found none; {made}")
    table = read_table(frames)
    videos = Videos(table, dataset.decode.stride)
    read, groups = _read(args, videos)
    written = write_store(store, videos, read, groups)
    tested = set(table["video"][in_split(table["split"], "test")])
    print(f"wrote {store}: annotations of {written.frames:,} frames of {len(written.videos):,} videos, ", end="")
    print(f"{len(tested & set(written.videos)):,} of them test videos; {name} has {len(videos):,} videos")
    for reason, names in written.left_out.items():
        example = f" (of {names[0]}: {details})" if (details := written.details[reason]) else ""
        print(f"left out {len(names):,} annotated videos, such as {', '.join(names[:_EXAMPLES])}: {reason}{example}")
    if not is_new:
        print(f"results that were made with the old {store} are stale, and DVC does not see it: {_RENAME}")
    block = [f"store: {store.as_posix()}", "score_threshold: 0.5", "groups:", *(f"  - {each}" for each in groups)]
    print("\n".join([f"params.yaml: datasets.{name}.truth has to be", *(f"      {line}" for line in block)]))
    return 0


def _is_free(store: Path) -> bool:
    """Whether nothing stands at the place of a store, or an empty directory; False for a truth store.

    Raises:
        ValueError: for anything else, such as the decoded frames: it would be lost.
    """
    from objabn.stores.truth import ANNOTATED

    if not store.exists() or (store.is_dir() and not any(store.iterdir())):
        return True
    if not (store / ANNOTATED).is_file():
        got = "another directory" if store.is_dir() else "a file"
        raise ValueError(f"{store}: expected a truth store (with {ANNOTATED}) to replace, or nothing, got {got}")
    return False


def _read(args: argparse.Namespace, videos: Videos) -> tuple[Read, tuple[str, ...]]:
    """What the layout's reader makes of the annotations, and the groups that they tell of."""
    from objabn.truth import jhmdb, masks, something_else, ucf101_24

    first, *_ = paths = args.annotations
    if args.layout == "ucf101-24":
        return ucf101_24.read_ucf101_24(first, videos), (ucf101_24.GROUP,)
    if args.layout == "something-else":
        return something_else.read_something_else(paths, videos), (something_else.GROUP,)
    if args.layout == "jhmdb":
        return jhmdb.read_jhmdb(first, videos), (jhmdb.GROUP,)
    read = masks.read_masks(first, videos, args.layout, class_name=args.class_name, first=args.first_frame)
    return read, masks.groups_of(first, args.layout, args.class_name)
