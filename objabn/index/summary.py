"""What `python -m objabn index` says of a data set: counts, what was left out and why, what looks wrong."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Collection, Iterator
from itertools import combinations
from pathlib import Path

import pandas as pd

from objabn.index.listing import Listing
from objabn.index.names import printable
from objabn.index.suffixes import few
from objabn.index.table import ALL_SPLITS, SPLITS, class_names
from objabn.stores.splits import folds
from objabn.system.files import write_text

LEFT_OUT = ["path", "label", "split", "reason"]


def left_out(listing: Listing, missing: pd.DataFrame) -> pd.DataFrame:
    """Everything that is not in the index, columns LEFT_OUT: what `build` missed, and files that no split lists."""
    unlisted = [(printable(path), printable(label), "", reason) for path, label, reason in listing.left_out]
    return pd.concat([missing[LEFT_OUT], pd.DataFrame(unlisted, columns=LEFT_OUT, dtype=str)], ignore_index=True)


def write_left_out(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write what was left out, whole or not at all; with nothing left out there is no such file afterwards."""
    if table.empty:
        Path(path).unlink(missing_ok=True)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([LEFT_OUT, *table[LEFT_OUT].itertuples(index=False)])
    write_text(Path(path), text.getvalue())


def summary(listing: Listing, index: pd.DataFrame, left: pd.DataFrame) -> str:
    """A few lines: what is listed, what of it was found, what is left out, notes, and warnings about the split.

    Args:
        listing: what a reader gave.
        index: what `build` made of it, with its seconds.
        left: what `left_out` made of it.
    """
    listed = listing.videos
    size = index["bytes"].astype("int64")
    length = f"{size.sum() / 1e6:.1f} MB, {_seconds(index['seconds'])}"
    lines = [f"listed: {_counts(listed, len(listing.classes))}"]
    lines += [f"found: {_counts(index, len(class_names(index)))}; {length}"]
    groups = listing.groups_of(index["path"])
    if (recordings := groups.nunique()) < len(index):
        told = _by_split(groups.groupby(index["split"]).nunique())
        lines.append(f"recordings: the {len(index)} videos are of {recordings}: {told}")
    for reason, rows in left.groupby("reason", sort=False):
        lines.append(f"left out: {len(rows)} ({reason}): {few(rows['path'].tolist())}")
    lines += [f"note: {note}" for note in listing.notes]

    classes, found = set(listing.classes), set(index["label"])
    mixed = _in_several_classes(index, groups) if listing.groups is not None else set()
    content = index["digest"].where(size > 0)  # empty files are equal, but no leak
    twice = index["split"].where(content.notna()).groupby([index["split"], content]).transform("size") > 1
    lacking = list(_classes_without(index))
    said: list[tuple[str, Collection[str], str]] = [
        ("note", classes - set(listed["label"]), "classes without a listed video"),
        ("note", index["video"][twice], "videos whose content another of the same split has, too"),
        ("note", index["video"][index["seconds"].isna() & (size > 0)], "files that do not tell their duration"),
        *(line for line in lacking if line[0] == "note"),
        ("note", mixed, "groups with videos of several classes"),
        ("warning", set(listed["label"]) - found, "listed classes without a found video"),
        *(line for line in lacking if line[0] == "warning"),
        *_leaks(index, groups, content),
        ("warning", index["video"][size == 0], "empty files (0 bytes)"),
    ]
    for level, names, what in said:
        if len(names):
            lines.append(f"{level}: {len(names)} {what}: {few(sorted(names))}")
    return "\n".join(lines)


def _counts(table: pd.DataFrame, num_classes: int) -> str:
    """Such as: 3 videos, 2 classes: 2 train, 1 test."""
    return f"{len(table)} videos, {num_classes} classes: {_by_split(table['split'].value_counts())}"


def _by_split(sizes: pd.Series) -> str:
    """Such as: 2 train, 1 test; val only where there is some. Or of folds: 2 fold-1, 1 fold-2."""
    if names := folds(sizes.index):
        return ", ".join(f"{sizes[name]} {name}" for name in names)
    return ", ".join(f"{sizes.get(name, 0)} {name}" for name in ALL_SPLITS if name in SPLITS or name in sizes)


def _seconds(seconds: pd.Series) -> str:
    """Their sum, and for how many files it is not known."""
    unknown = int(seconds.isna().sum())
    known = f"{seconds.sum():.1f}" if unknown < len(seconds) else "?"
    return f"{known} s" + (f" (? of {unknown} videos)" if unknown else "")


def _classes_without(index: pd.DataFrame) -> Iterator[tuple[str, set[str], str]]:
    """The classes that a split lacks; of folds those that lie in one alone, whose network has not learned them."""
    found = set(index["label"])
    if folds(index["split"]):
        spread = index["split"].groupby(index["label"]).nunique()
        yield (
            "warning",
            set(spread.index[spread == 1]),
            "found classes in one fold only, whose network cannot learn them",
        )
        return
    inside = {name: set(index["label"][index["split"] == name]) for name in ALL_SPLITS}
    if inside["val"]:
        yield "note", found - inside["val"], "found classes without a val video"
    for name in SPLITS:
        yield "warning", found - inside[name], f"found classes without a {name} video"


def _leaks(index: pd.DataFrame, groups: pd.Series, content: pd.Series) -> Iterator[tuple[str, set[str], str]]:
    """What two splits share, for each two of them, or several folds: groups, and videos of equal content."""
    there = [name for name in ALL_SPLITS if name in set(index["split"])]
    shared = [(pair, f"both {' and '.join(pair)}") for pair in combinations(there, 2)]
    for names_of, both in [(known, "several folds")] if (known := folds(index["split"])) else shared:
        rows = index[index["split"].isin(names_of)]
        for keys, names, what in (
            (groups, groups, f"groups in {both}"),
            (content, index["video"], f"videos whose content is in {both}"),
        ):
            is_shared = rows["split"].groupby(keys).transform("nunique") > 1
            yield "warning", set(names[rows.index][is_shared]), what


def _in_several_classes(index: pd.DataFrame, groups: pd.Series) -> set[str]:
    """The groups whose videos have more than one label."""
    return set(groups[index["label"].groupby(groups).transform("nunique") > 1])
