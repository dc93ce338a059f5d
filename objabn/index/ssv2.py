"""The official json files of Something-Something v2."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from objabn.index.listing import Listing, Row, listing_of, read_text, require_directory
from objabn.index.misses import beside_or_below

FILES = {"labels": None, "train": "train", "validation": "test"}  # its json files, the split that each is here
PREFIXES = ("something-something-v2-", "")  # of their names, in either official distribution
SUFFIXES = (".webm", ".mp4")  # of the videos; the first that exists
_ID = re.compile(r"[A-Za-z0-9_-]+")


def read_ssv2(
    videos: Path,
    splits: Path | None = None,
    *,
    labels_json: Path | None = None,
    train_json: Path | None = None,
    validation_json: Path | None = None,
) -> Listing:
    """The videos of train and validation, the latter as split test; the class list is that of the labels.

    Args:
        videos: directory of the videos, `<id>.webm`, or `<id>.mp4` where there is no such webm.
        splits: directory of the json files, named as either official distribution names them.
        labels_json: this file instead of that of `splits`, which may be None when all three are given.
        train_json: likewise.
        validation_json: likewise.

    Raises:
        ValueError: a directory or file is missing or malformed, a template is not among the labels, an id is there
            twice.
    """
    require_directory(videos)
    given = {"labels": labels_json, "train": train_json, "validation": validation_json}
    paths = {name: path or _find(name, splits) for name, path in given.items()}
    classes = _read_labels(paths["labels"])
    files = {entry.name for entry in os.scandir(videos)}
    rows = []
    for name, split in FILES.items():
        for where, video, label in _read_entries(paths[name], paths["labels"], classes) if split else ():
            named = (f"{video}{suffix}" for suffix in SUFFIXES)
            path = next((file for file in named if file in files), f"{video}{SUFFIXES[0]}")
            rows.append(Row(path, label, split or "", where))
    return listing_of(rows, classes)


def _find(name: str, splits: Path | None) -> Path:
    """The json file of that name in the directory `splits`."""
    if splits is None:
        raise ValueError(
            f"index ssv2: --splits, expected the directory of the official json files, or --{name}-json, got neither"
        )
    names = [f"{prefix}{name}.json" for prefix in PREFIXES]
    found = next((splits / each for each in names if (splits / each).is_file()), None)
    if found is None:
        meant = beside_or_below(splits, names)
        hint = f"; did you mean --splits {meant}?" if meant is not None else ""
        if not hint:
            require_directory(splits, "the directory of the official json files")
        raise ValueError(f"{splits}: expected {' or '.join(names)}, or --{name}-json, got neither{hint}")
    return found


def _read_labels(path: Path) -> dict[str, str]:
    """Template without brackets -> number as text."""
    labels = _load(path)
    expected = 'expected an object of the classes, {"Closing something": "5", ...}'
    if not isinstance(labels, dict) or not labels:
        raise ValueError(f"{path}: {expected}, got {_shown(labels)}")
    seen: dict[str, str] = {}
    for label, number in labels.items():
        if not isinstance(number, str) or not label.strip():
            raise ValueError(f"{path}: {expected}, got {label!r}: {_shown(number)}")
        if number in seen:
            raise ValueError(f"{path}: expected each number once, got {number!r} for {seen[number]!r} and {label!r}")
        seen[number] = label
    return labels


def _read_entries(path: Path, labels_path: Path, classes: dict[str, str]) -> list[tuple[str, str, str]]:
    """(where it stands, id, label) of each entry of train or validation."""
    entries = _load(path)
    if not isinstance(entries, list):
        raise ValueError(f'{path}: expected a list of {{"id": ..., "template": ...}}, got {_shown(entries)}')
    rows = []
    for position, entry in enumerate(entries, 1):
        where = f"{path}: entry {position}"
        if not isinstance(entry, dict):
            raise ValueError(f'{where}: expected {{"id": ..., "template": ...}}, got {_shown(entry)}')
        for key in ("id", "template"):
            if not isinstance(entry.get(key), str):
                got = _shown(entry[key]) if key in entry else f"the keys {', '.join(entry) or '(none)'}"
                raise ValueError(f'{where}: expected "{key}", a string, got {got}')
        video, template = entry["id"], entry["template"]
        if not _ID.fullmatch(video):
            raise ValueError(f'{where}: expected "id", letters and digits such as "78687", got {video!r}')
        where += f" (id {video})"
        label = template.replace("[", "").replace("]", "")
        if label not in classes:
            expected = f"one of the {len(classes)} classes of {labels_path.name}"
            raise ValueError(f"{where}: template, expected {expected}, got {template!r}")
        rows.append((where, video, label))
    return rows


def _load(path: Path) -> Any:
    """The content of a json file.

    Raises:
        ValueError: it cannot be read, or is not json.
    """
    text = read_text(path, "a json file")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}:{error.colno}: expected json, got: {error.msg}") from error
    except RecursionError as error:
        raise ValueError(f"{path}: expected json, got: nested too deeply") from error


def _shown(value: Any) -> str:
    """A json value as a message shows it."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    return json.dumps(value, ensure_ascii=False)
