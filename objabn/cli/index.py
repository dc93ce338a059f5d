"""`python -m objabn index <layout>`: lists a data set's videos in data/<dataset>/index.csv.

python -m objabn index ucf101 --videos DIR --splits DIR [--split 1]        # official lists, or any in their format
python -m objabn index ssv2 --videos DIR --splits DIR                      # the official json files
python -m objabn index jhmdb --videos DIR --splits DIR [--split 1]         # official lists, one a class
python -m objabn index csv --videos DIR --csv FILE                         # columns path, label, split, or group too
python -m objabn index folder --videos DIR [--test-share 0.2 --seed 0]     # one folder a class

All but ssv2: --val-share S [--seed N] moves this share of the train videos to val; --folds N [--seed N] deals all
videos into folds for a cross-validation, in place of their splits.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from objabn.config.schema import NAME
from objabn.index.csv_list import read_csv
from objabn.index.durations import video_seconds
from objabn.index.faults import index_faults
from objabn.index.folder import read_folder
from objabn.index.folds import deal_folds
from objabn.index.groups import FOLDER, write_groups
from objabn.index.hold_out import hold_out
from objabn.index.jhmdb import read_jhmdb
from objabn.index.listing import Listing
from objabn.index.misses import similar_note, why_none_is_there
from objabn.index.names import is_utf8, printable
from objabn.index.ssv2 import read_ssv2
from objabn.index.summary import left_out, summary, write_left_out
from objabn.index.table import build, write_index
from objabn.index.ucf101 import read_ucf101

OPTIONS = {
    "ucf101": ("splits", "split", "val_share", "folds", "seed"),
    "ssv2": ("splits", "labels_json", "train_json", "validation_json"),
    "jhmdb": ("splits", "split", "val_share", "folds", "seed"),
    "csv": ("csv", "val_share", "folds", "seed"),
    "folder": ("test_share", "train_list", "test_list", "val_share", "folds", "seed"),
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `index` with a parser's subcommands; `args.run(args)` returns 0 or raises ValueError."""
    parser = subparsers.add_parser("index", help="list a data set's videos in data/<dataset>/index.csv")
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `index`."""
    add = parser.add_argument
    layouts = "ucf101, ssv2, jhmdb: official lists; csv: a table; folder: one folder a class"
    add("layout", choices=tuple(OPTIONS), help=layouts)
    add("--videos", type=Path, required=True, help="directory of the videos: <class>/<video>; ssv2: <id>.webm")
    add("--dataset", help="its block in params.yaml (default: the layout's name)")
    add(
        "--splits",
        type=Path,
        help="ucf101: directory of classInd.txt, trainlist0N.txt, testlist0N.txt; "
        "ssv2: of [something-something-v2-]labels.json, train.json and validation.json; "
        "jhmdb: of <class>_test_splitN.txt",
    )
    add("--split", type=int, help="ucf101, jhmdb: N (default: 1)")
    for name in ("labels", "train", "validation"):
        add(f"--{name}-json", type=Path, help=f"ssv2: this file instead of the {name} in --splits")
    add(
        "--csv",
        type=Path,
        help="csv: file with the columns path (relative to the videos), label, split (train, test, or val too) and, "
        "if there is one, group: the recording that a video is cut from",
    )
    add("--test-share", type=float, help="folder: share of each class's videos that goes to test (default: 0.2)")
    add(
        "--val-share",
        type=float,
        help="all but ssv2: share of each class's train videos that goes to val, which trainings are watched on "
        "(default: none)",
    )
    add(
        "--folds",
        type=int,
        metavar="N",
        help="all but ssv2: deal all videos into N folds, whole recordings, classes evenly, whatever their split; "
        "each row and seed is then N networks, and every video is tested by the one that has not seen its recording",
    )
    add("--seed", type=int, help="another seed draws other test videos (folder), val videos and folds (default: 0)")
    add("--train-list", type=Path, help="folder: file of train paths, one a line, instead of a share")
    add("--test-list", type=Path, help="folder: file of test paths")


def run(args: argparse.Namespace) -> int:
    """Write index.csv and left_out.csv in data/<dataset>, and the groups, and print the summary; 0.

    Raises:
        ValueError: an option of another layout, a bad data set name, or whatever the readers refuse; or, after the
            summary and before anything is written, one class, no train video or no test video.
    """
    _refuse_alien_options(args)
    dataset = args.dataset or args.layout
    if not NAME.fullmatch(dataset):
        raise ValueError(f"--dataset: expected a name of a-z, 0-9 and _, starting with a letter, got {dataset!r}")
    if not is_utf8(os.path.abspath(args.videos)):
        raise ValueError(
            f"--videos: expected a path in UTF-8, got {printable(str(args.videos))}; rename it or link to it"
        )
    listing = _read(args)
    fault = why_none_is_there(listing.videos["path"].tolist(), args.videos)
    if fault is not None:
        raise ValueError(fault)
    index, missing = build(listing.videos, args.videos, seconds_of=video_seconds)
    left = left_out(listing, missing)
    notes = [*listing.notes, *similar_note(missing["path"], args.videos, listing.videos["path"])]
    print(summary(replace(listing, notes=notes), index, left))
    faults = index_faults(index, args.videos)
    if faults:
        raise ValueError("\n".join(f"{args.videos}: {fault}" for fault in faults))
    folder = Path("data") / dataset
    write_left_out(left, folder / "left_out.csv")
    groups = listing.groups_of(index.set_index("video")["path"])
    about_groups = write_groups(groups, FOLDER, dataset, are_named=listing.groups is not None)
    write_index(index, folder / "index.csv")
    if len(left):
        print(f"wrote {folder / 'left_out.csv'}: all {len(left)} that were left out")
    if about_groups:
        print(about_groups)
    print(f"wrote {folder / 'index.csv'}; params.yaml: datasets.{dataset}.videos has to be {args.videos}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """`run` on a command line without the word `index`."""
    parser = argparse.ArgumentParser(prog="python -m objabn index")
    add_arguments(parser)
    return run(parser.parse_args(argv))


def _refuse_alien_options(args: argparse.Namespace) -> None:
    """Raise ValueError for the first option that another layout has and this one has not."""
    own = OPTIONS[args.layout]
    for names in OPTIONS.values():
        for name in names:
            if name not in own and getattr(args, name) is not None:
                *others, last = (layout for layout, theirs in OPTIONS.items() if name in theirs)
                owners = f"{', '.join(others)} and {last}" if others else last
                raise ValueError(f"index {args.layout}: --{name.replace('_', '-')} belongs to index {owners}")
    if args.folds is not None:
        for name in ("val_share", "split", "test_share"):
            if getattr(args, name) is not None:
                expected = f"expected no --{name.replace('_', '-')} beside it"
                raise ValueError(f"index {args.layout}: --folds takes the place of splits, {expected}")
    if args.layout != "folder" and args.seed is not None and args.val_share is None and args.folds is None:
        what = "--seed draws val videos or folds, expected --val-share or --folds beside it"
        raise ValueError(f"index {args.layout}: {what}, got none")


def _read(args: argparse.Namespace) -> Listing:
    """What the layout's reader makes of the options given, with the val videos or the folds that they ask for."""
    options = {name: value for name in OPTIONS[args.layout] if (value := getattr(args, name)) is not None}
    share, number = options.pop("val_share", None), options.pop("folds", None)
    seed = options.get("seed", 0) if args.layout == "folder" else options.pop("seed", 0)
    if args.layout == "jhmdb" and number is not None:
        options["every"] = True
    listing = _read_layout(args.layout, args.videos, options)
    if number is not None:
        dealt = deal_folds(listing, number, seed)
        lists = (args.train_list, args.test_list, args.splits)
        drawn = args.layout in ("folder", "jhmdb") and all(path is None for path in lists)
        return dealt if drawn else replace(dealt, notes=[*dealt.notes, _ignored(listing)])
    return listing if share is None else hold_out(listing, share, seed)


def _ignored(listing: Listing) -> str:
    """Say which splits of a list do not count."""
    sizes = listing.videos["split"].value_counts(sort=False)
    given = ", ".join(f"{size} {split}" for split, size in sizes.items())
    return f"--folds: the splits that the list gives ({given}) do not count"


def _read_layout(layout: str, videos: Path, options: dict[str, Any]) -> Listing:
    """What the layout's reader makes of its own options."""
    if layout == "folder":
        return read_folder(videos, **options)
    if layout == "ssv2":
        return read_ssv2(videos, **options)
    if layout == "jhmdb":
        return read_jhmdb(videos, **options)
    if layout == "csv":
        if "csv" not in options:
            raise ValueError("index csv: --csv, expected the file with the columns path, label and split, got nothing")
        return read_csv(videos, options["csv"])
    if "splits" not in options:
        raise ValueError("index ucf101: --splits, expected the directory of the official lists, got nothing")
    return read_ucf101(videos, **options)
