"""index.csv: which videos a data set has, their labels and splits.

    python -m objabn index ucf101 --videos DIR --splits DIR [--split 1]        # official lists, or any in their format
    python -m objabn index folder --videos DIR [--test-share 0.2 --seed 0]     # one folder a class

One row a video, every value text: `video` (unique id: the path without its suffix), `path` (relative to the videos
directory, with forward slashes), `label` (the class name), `split` (train or test), `bytes`, `digest` (of the content).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd
from tqdm import tqdm

from objabn.video import file_digest

COLUMNS = ["video", "path", "label", "split", "bytes", "digest"]
LISTED = COLUMNS[:4]
SPLITS = ("train", "test")
OPTIONS = {"ucf101": ("splits", "split"), "folder": ("test_share", "seed", "train_list", "test_list")}
NOT_VIDEOS = (".txt", ".csv", ".json", ".md")
_NUMBERED = re.compile(r"(.*\.\w+)\s+(\d+)")  # "Bend/v_Bend_g01_c01.avi 1"
_GROUPED = re.compile(r"(.*_g\d+)_c\d+")  # clips of one group are cut from one recording


def read_ucf101(videos: Path, splits: Path, split: int = 1) -> pd.DataFrame:
    """The videos of an official split, columns video, path, label, split, whether or not their files exist.

    Args:
        videos: directory of the videos, `<class>/<video>.avi`.
        splits: directory of classInd.txt, trainlist0N.txt and testlist0N.txt.
        split: N.

    Raises:
        ValueError: a directory or list is missing or malformed, a class is not in classInd.txt or has another number
            there, a video is listed twice.
    """
    _require_directory(videos)
    classes_path = splits / "classInd.txt"
    numbers: dict[str, int] = {}
    for position, line in _lines(classes_path):
        match = re.fullmatch(r"(\d+)\s+(\S.*)", line)
        if not match or match[2] in numbers:
            raise ValueError(f"{classes_path}:{position}: expected '<number> <class>', each class once, got {line!r}")
        numbers[match[2]] = int(match[1])
    paths: dict[str, list[str]] = {}
    for name in SPLITS:
        list_path = splits / f"{name}list{split:02d}.txt"
        paths[name] = []
        for position, path, number in _read_list(list_path):
            label = _label(path)
            if label not in numbers or number not in (None, numbers[label]):
                expected = f"{label} = {numbers[label]}" if label in numbers else f"one of its {len(numbers)} classes"
                got = label if number is None else f"{label} = {number}"
                raise ValueError(
                    f"{list_path}:{position}: expected a class of {classes_path.name}, {expected}, got {got}"
                )
            paths[name].append(path)
    listed = _listed(paths)
    unused = sorted(set(numbers) - set(listed["label"]))
    listed.attrs["notes"] = [f"{len(unused)} classes without a listed video: {_few(unused)}"] if unused else []
    return listed


def read_folder(
    videos: Path,
    *,
    test_share: float = 0.2,
    seed: int = 0,
    train_list: Path | None = None,
    test_list: Path | None = None,
) -> pd.DataFrame:
    """The videos below `videos`, one folder a class, columns video, path, label, split.

    Hidden files and .txt, .csv, .json, .md are passed over, anything else counts as a video. With one list, every video
    that is not on it goes to the other split; with two, only listed videos count. Without lists, each class gives about
    `test_share` of its videos to test; names like v_X_g01_c02 keep a group (all before _c02) on one side, and a class
    with two groups or more is on both sides. Adding a class, or calling with the same seed again, moves no video.

    Raises:
        ValueError: no directory, nothing found, a share outside 0..1, a malformed list, a video listed twice.
    """
    _require_directory(videos)
    if not 0 <= test_share < 1:
        raise ValueError(f"--test-share: expected at least 0 and below 1, got {test_share}")
    found = sorted(path.relative_to(videos).as_posix() for path in _files(videos))
    outside = [path for path in found if "/" not in path]
    found = [path for path in found if "/" in path]
    if not found:
        raise ValueError(
            f"{videos}: no videos found, expected <class>/<video> below it, got {len(outside)} loose files"
        )
    lists = {
        name: [path for _, path, _ in _read_list(list_path)]
        for name, list_path in (("train", train_list), ("test", test_list))
        if list_path is not None
    }
    if lists:
        named = {path for paths in lists.values() for path in paths}
        paths = {name: lists.get(name, [path for path in found if path not in named]) for name in SPLITS}
    else:
        test = _drawn(found, test_share, seed)
        paths = {"train": [path for path in found if path not in test], "test": sorted(test)}
    listed = _listed(paths)
    folders = {path.name for path in videos.iterdir() if path.is_dir() and not path.name.startswith(".")}
    empty = sorted(folders - {_label(path) for path in found})
    unlisted = sorted(set(found) - set(listed["path"]))
    listed.attrs["notes"] = [
        f"{len(names)} {what}: {_few(names)}"
        for names, what in (
            (outside, "files left out, they are in no class folder"),
            (empty, "class folders without a video"),
            (unlisted, "videos left out, they are on neither list"),
        )
        if names
    ]
    return listed


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
        lines.append(f"left out: {len(missing)} listed videos ({reasons}): {_few(missing['path'].tolist())}")
    lines += [f"note: {note}" for note in index.attrs.get("notes", [])]
    labels = set(index["label"]) | set(missing["label"])
    content = index["digest"].where(size > 0)  # empty files are equal, but no leak
    for found, what in (
        (labels - set(index["label"][index["split"] == "train"]), "classes without a train video"),
        (labels - set(index["label"][index["split"] == "test"]), "classes without a test video"),
        (_on_both_sides(index, index["path"].map(_group)), "groups in both train and test"),
        (_on_both_sides(index, content, index["video"]), "videos whose content is in both train and test"),
    ):
        if found:
            lines.append(f"warning: {len(found)} {what}: {_few(sorted(found))}")
    empty = index["video"][size == 0].tolist()
    if empty:
        lines.append(f"warning: {len(empty)} empty files (0 bytes): {_few(empty)}")
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
    _refuse(path, index, ~index["path"].map(_is_inside), "path, expected one below the videos directory", "path")
    return index


def write_index(index: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Writes an index sorted by video id, whole or not at all; equal indices give equal bytes. Makes the directory."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        index[COLUMNS].sort_values("video").to_csv(partial, index=False, lineterminator="\n", encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


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
    if not re.fullmatch(r"[\w-]+", dataset):
        raise ValueError(f"--dataset: expected letters, digits, _ and -, got {dataset!r}")
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


def _require_directory(path: Path) -> None:
    if not path.is_dir():
        raise ValueError(
            f"{path}: expected the directory of the videos, got {'a file' if path.exists() else 'nothing'}"
        )


def _lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a text file that are not blank, stripped, with their numbers from 1."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ValueError(f"{path}: expected a text file, got: {reason}") from error
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _read_list(path: Path) -> list[tuple[int, str, int | None]]:
    """Line number, video path and class number (None where the line has none) of each line of a list."""
    rows = []
    for position, line in _lines(path):
        match = _NUMBERED.fullmatch(line)
        video = PurePosixPath(match[1] if match else line).as_posix()
        if "/" not in video or not _is_inside(video):
            raise ValueError(f"{path}:{position}: expected <class>/<video>, relative to the videos, got {line!r}")
        rows.append((position, video, int(match[2]) if match else None))
    return rows


def _files(videos: Path) -> list[Path]:
    """All files that may be videos. Links to folders are followed for classes only; a broken link counts (missing)."""
    roots = [path for path in videos.iterdir() if path.is_dir()]
    paths = [path for path in videos.iterdir() if not path.is_dir()]
    paths += [path for root in roots for path in root.rglob("*") if not path.is_dir()]
    hidden = {path for path in paths if any(part.startswith(".") for part in path.relative_to(videos).parts)}
    return [path for path in paths if path not in hidden and path.suffix.lower() not in NOT_VIDEOS]


def _listed(paths: dict[str, list[str]]) -> pd.DataFrame:
    """Paths by split as rows of LISTED, in the given order.

    Raises:
        ValueError: no path at all, or one twice.
    """
    rows = [(path, split) for split, names in paths.items() for path in names]
    if not rows:
        raise ValueError("expected at least one listed video, got none")
    seen: dict[str, str] = {}
    for path, split in rows:
        if path in seen:
            raise ValueError(f"{path}: expected once in the lists, got {seen[path]} and {split}")
        seen[path] = split
    stems = pd.Series([PurePosixPath(path).with_suffix("").as_posix() for path, _ in rows], dtype=str)
    listed = pd.DataFrame(rows, columns=["path", "split"], dtype=str)
    listed["video"] = stems.where(~stems.duplicated(keep=False), listed["path"])  # a.mp4 and a.avi keep their suffixes
    listed["label"] = listed["path"].map(_label)
    twice = listed["video"][listed["video"].duplicated()].tolist()
    if twice:
        raise ValueError(f"{twice[0]}: expected an id for one video, got two videos with it; rename one")
    return listed[LISTED]


def _drawn(paths: list[str], share: float, seed: int) -> set[str]:
    """The paths that go to test: of each class, whole groups in a hashed order until about share of its videos."""
    classes: dict[str, dict[str, list[str]]] = {}
    for path in paths:
        classes.setdefault(_label(path), {}).setdefault(_group(path), []).append(path)
    test: set[str] = set()
    for groups in classes.values():
        order = sorted(groups, key=lambda group: hashlib.blake2b(f"{seed}/{group}".encode()).digest())
        target = share * sum(map(len, groups.values()))
        taken = [0]  # videos in the first 0, 1, ... groups; the last group always trains
        for group in order[:-1]:
            taken.append(taken[-1] + len(groups[group]))
        first = 1 if share > 0 and len(order) > 1 else 0
        best = min(range(first, len(taken)), key=lambda count: abs(taken[count] - target))
        test.update(path for group in order[:best] for path in groups[group])
    return test


def _label(path: str) -> str:
    """The class of a video: its outermost folder."""
    return path.split("/", 1)[0]


def _group(path: str) -> str:
    """What must not be split: the recording that a clip is cut from where the name tells it, else the video itself."""
    match = _GROUPED.fullmatch(PurePosixPath(path).with_suffix("").as_posix())
    return match[1] if match else path


def _is_inside(path: str) -> bool:
    """Whether a relative path stays below the directory that it starts from."""
    return not path.startswith("/") and ".." not in path.split("/") and "\\" not in path


def _on_both_sides(index: pd.DataFrame, keys: pd.Series, names: pd.Series | None = None) -> set[str]:
    """The keys found in both train and test, or the names of their rows."""
    both = index["split"].groupby(keys).transform("nunique") > 1
    return set((keys if names is None else names)[both])


def _few(names: list[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _refuse(path: object, index: pd.DataFrame, bad: pd.Series, expected: str, shown: str = "video") -> None:
    """Raises ValueError naming the first bad row (line 1 is the header)."""
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise ValueError(f"{path}:{row + 2}: {expected}, got {index[shown].iloc[row]!r}")
