"""index.csv: which videos a data set has, their labels and splits.

    python -m objabn index ucf101 --videos DIR --splits DIR [--split 1]        # official lists, or any in their format
    python -m objabn index folder --videos DIR [--test-share 0.2 --seed 0]     # one folder a class

One row a video, every value text: `video` (unique id: the path without its suffix), `path` (relative to the videos
directory, with forward slashes), `label` (the class name), `split` (train or test), `bytes`, `digest` (of the content).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from objabn.files import write_text
from objabn.listing import LISTED, SPLITS, few, group_of, is_inside, read_folder, read_ucf101
from objabn.params import NAME
from objabn.video import file_digest

COLUMNS = [*LISTED, "bytes", "digest"]
OPTIONS = {"ucf101": ("splits", "split"), "folder": ("test_share", "seed", "train_list", "test_list")}


def build(listed: pd.DataFrame, videos: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The index, `listed` plus bytes and digest; and the videos left out, LISTED plus `reason`. Reads every file.

    Raises:
        ValueError: not one of the listed files can be read.
    """
    kept, missing = [], []
    # disable=None: no bar where stderr is not a terminal
    for row in tqdm(listed[LISTED].to_dict("records"), desc="index", unit="video", disable=None, leave=False):
        path = videos / row["path"]
        try:
            if path.is_dir():
                raise IsADirectoryError(0, "is a directory")
            kept.append({**row, "bytes": str(path.stat().st_size), "digest": file_digest(path)})
        except OSError as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
            missing.append({**row, "reason": reason})
    if not kept:
        example = f", e.g. {missing[0]['path']}: {missing[0]['reason']}" if missing else ""
        raise ValueError(f"{videos}: expected the {len(missing)} listed videos below it, got none{example}")
    index = pd.DataFrame(kept, columns=COLUMNS, dtype=str)
    index.attrs["notes"] = listed.attrs.get("notes", [])
    return index, pd.DataFrame(missing, columns=[*LISTED, "reason"], dtype=str)


def summary(index: pd.DataFrame, missing: pd.DataFrame) -> str:
    """A few lines: counts of videos, classes and splits, what is missing, and warnings about the split."""
    size = index["bytes"].astype("int64")
    split = index["split"].value_counts()
    counts = ", ".join(f"{split.get(name, 0)} {name}" for name in SPLITS)
    lines = [f"{len(index)} videos, {len(class_names(index))} classes, {counts}, {size.sum() / 1e6:.1f} MB"]
    if len(missing):
        reasons = ", ".join(f"{count} {reason}" for reason, count in missing["reason"].value_counts().items())
        lines.append(f"left out: {len(missing)} listed videos ({reasons}): {few(missing['path'].tolist())}")
    lines += [f"note: {note}" for note in index.attrs.get("notes", [])]
    labels = set(index["label"]) | set(missing["label"])
    content = index["digest"].where(size > 0)  # empty files are equal, but no leak
    for found, what in (
        (labels - set(index["label"][index["split"] == "train"]), "classes without a train video"),
        (labels - set(index["label"][index["split"] == "test"]), "classes without a test video"),
        (_on_both_sides(index, index["path"].map(group_of)), "groups in both train and test"),
        (_on_both_sides(index, content, index["video"]), "videos whose content is in both train and test"),
    ):
        if found:
            lines.append(f"warning: {len(found)} {what}: {few(sorted(found))}")
    empty = index["video"][size == 0].tolist()
    if empty:
        lines.append(f"warning: {len(empty)} empty files (0 bytes): {few(empty)}")
    return "\n".join(lines)


def class_names(index: pd.DataFrame) -> list[str]:
    """The labels, sorted, each once; a class's number is its position here."""
    return sorted(set(index["label"]))


def read_index(path: str | os.PathLike[str]) -> pd.DataFrame:
    """An index as `write_index` wrote it, columns COLUMNS, all text.

    Raises:
        ValueError: no such file, not a csv, other columns, no rows, an empty value, an id twice, a split other than
            train and test, a path that leaves the videos directory, bytes that are not a number.
    """
    try:
        # keep_default_na=False: "NA" and "null" may be names of classes
        index = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False, encoding="utf-8")
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file, expected an index; `python -m objabn index` writes it") from error
    except (OSError, pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a csv, got: {str(error).strip().splitlines()[0]}") from error
    if list(index.columns) != COLUMNS:
        raise ValueError(f"{path}: columns, expected {','.join(COLUMNS)}, got {','.join(map(str, index.columns))}")
    if index.empty:
        raise ValueError(f"{path}: expected at least one video, got none")
    for column in COLUMNS:
        _refuse(path, index, index[column].fillna("") == "", f"{column}, expected a value")
    _refuse(path, index, index["video"].duplicated(), "video, expected each id once")
    _refuse(path, index, ~index["split"].isin(SPLITS), "split, expected train or test", "split")
    _refuse(path, index, ~index["bytes"].str.fullmatch("[0-9]+"), "bytes, expected a number", "bytes")
    _refuse(path, index, ~index["path"].map(is_inside), "path, expected one below the videos directory", "path")
    return index


def write_index(index: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Writes an index sorted by video id, whole or not at all; equal indices give equal bytes. Makes the directory."""
    rows = index[COLUMNS].sort_values("video")
    write_text(Path(path), rows.to_csv(index=False, lineterminator="\n"))


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Registers `index` with a parser's subcommands; `args.run(args)` returns 0 or raises ValueError."""
    parser = subparsers.add_parser("index", help="list a data set's videos in data/<dataset>/index.csv")
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `index`."""
    add = parser.add_argument
    add("layout", choices=tuple(OPTIONS), help="ucf101: split by official lists; folder: one folder a class")
    add("--videos", type=Path, required=True, help="directory of the videos, <class>/<video>")
    add("--dataset", help="its block in params.yaml (default: the layout's name)")
    add("--splits", type=Path, help="ucf101: directory of classInd.txt, trainlist0N.txt, testlist0N.txt")
    add("--split", type=int, help="ucf101: N (default: 1)")
    add("--test-share", type=float, help="folder: share of each class's videos that goes to test (default: 0.2)")
    add("--seed", type=int, help="folder: another seed draws other test videos (default: 0)")
    add("--train-list", type=Path, help="folder: file of train paths, one a line, instead of a share")
    add("--test-list", type=Path, help="folder: file of test paths")


def run(args: argparse.Namespace) -> int:
    """Writes data/<dataset>/index.csv, below the working directory, and prints the summary; 0.

    Raises:
        ValueError: an option of the other layout, a bad data set name, or whatever the readers refuse.
    """
    given = {name: value for name, value in vars(args).items() if value is not None}
    for layout, names in OPTIONS.items():
        alien = [name for name in names if name in given and layout != args.layout]
        if alien:
            raise ValueError(f"index {args.layout}: --{alien[0].replace('_', '-')} belongs to index {layout}")
    dataset = args.dataset or args.layout
    if not NAME.fullmatch(dataset):
        raise ValueError(f"--dataset: expected a name of a-z, 0-9 and _, starting with a letter, got {dataset!r}")
    options = {name: given[name] for name in OPTIONS[args.layout] if name in given}
    if args.layout == "folder":
        listed = read_folder(args.videos, **options)
    elif "splits" in options:
        listed = read_ucf101(args.videos, **options)
    else:
        raise ValueError("index ucf101: --splits, expected the directory of the official lists, got nothing")
    index, missing = build(listed, args.videos)
    path = Path("data") / dataset / "index.csv"
    write_index(index, path)
    print(summary(index, missing))
    print(f"wrote {path}; params.yaml: datasets.{dataset}.videos has to be {args.videos}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """`run` on a command line without the word `index`."""
    parser = argparse.ArgumentParser(prog="python -m objabn index")
    add_arguments(parser)
    return run(parser.parse_args(argv))


def _on_both_sides(index: pd.DataFrame, keys: pd.Series, names: pd.Series | None = None) -> set[str]:
    """The keys found in both train and test, or the names of their rows."""
    both = index["split"].groupby(keys).transform("nunique") > 1
    return set((keys if names is None else names)[both])


def _refuse(path: object, index: pd.DataFrame, bad: pd.Series, expected: str, shown: str = "video") -> None:
    """Raises ValueError naming the first bad row (line 1 is the header)."""
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise ValueError(f"{path}:{row + 2}: {expected}, got {index[shown].iloc[row]!r}")
