"""`python -m objabn masks export`: the masks of a data set for other tools, where people look at them and correct them.

python -m objabn masks export --dataset NAME --format coco --out masks.json          # an annotation a frame and group
python -m objabn masks export --dataset NAME --format youtube-vis --out masks.json   # a track a video and group
python -m objabn masks export --dataset NAME --format cvat --out DIR                 # a json a video, for CVAT's tasks
python -m objabn masks export --dataset NAME --format overlay --out DIR              # an mp4 a video

The json comes back by `segment.backend: import`. A file that is there already is not replaced without `--force`.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from objabn.config.file import load_params
from objabn.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from objabn.config.schema import Dataset, Params
    from objabn.stores.array import StoreReader
    from objabn.truth.unions import Video

SUFFIXES = {"cvat": ".json", "overlay": ".mp4"}  # of the layouts that write a file a video
LAYOUTS = ("coco", "youtube-vis", *SUFFIXES)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `masks` with a parser's subcommands; `args.run(args)` returns 0 or raises ValueError."""
    masks = subparsers.add_parser("masks")
    parser = masks.add_subparsers(dest="action", required=True, metavar="ACTION").add_parser(
        "export",
        help="write the masks for other tools",
        description="Writes for each group of instances (person and other, or those that the segmenter names) the "
        "union of those of a score of at least --threshold. Scores and instances are not kept. The json is what "
        "`segment.backend: import` reads.",
    )
    add = parser.add_argument
    add("--dataset", required=True, help="its block in params.yaml")
    layouts = "a json of COCO or YouTube-VIS; a json a video, for CVAT's tasks of one video each; or an mp4 a video"
    add("--format", choices=LAYOUTS, required=True, help=layouts)
    add("--out", type=Path, required=True, metavar="PATH", help="the json, or the directory of a file a video")
    add("--threshold", type=float, metavar="T", help="least score (default: the data set's mask.score_threshold)")
    add("--videos", nargs="+", metavar="ID", help="only these, by their ids in index.csv")
    add(
        "--size",
        choices=("frame", "grid"),
        help="of the masks of coco and youtube-vis: the video's frames (default), for tools that show both; or the "
        "stored 128 x 128, which keeps every cell of frames that are smaller than about 200 pixels, too",
    )
    add("--force", action="store_true", help="replace files that are there")
    parser.set_defaults(run=export)


def export(args: argparse.Namespace) -> int:
    """Write the masks and print what they are and how they come back; 0.

    Raises:
        ValueError: no such data set or video, no masks, or those of other frames, a threshold outside (0, 1], or files
            that would be replaced; nothing is written then.
    """
    params = load_params()
    if args.dataset not in params.datasets:
        known = ", ".join(sorted(params.datasets))
        raise ValueError(f"masks export: --dataset, expected one of {known}, got {args.dataset!r}")
    dataset = params.datasets[args.dataset]
    threshold = dataset.mask.score_threshold if args.threshold is None else args.threshold
    if not 0 < threshold <= 1:
        raise ValueError(f"masks export: --threshold, expected a score in (0, 1], got {threshold:g}")
    if args.size and args.format in SUFFIXES:
        what = f"--format {args.format}, which has the video's own size"
        raise ValueError(f"masks export: --size, expected --format coco or youtube-vis, got {what}")
    if args.format not in SUFFIXES and args.out.is_dir():
        raise ValueError(f"masks export: --out, expected a file to write, got the directory {args.out}")
    if args.format in SUFFIXES and args.out.is_file():
        raise ValueError(f"masks export: --out, expected a directory to write to, got the file {args.out}")

    from objabn.stores.array import StoreReader
    from objabn.stores.table import read_table
    from objabn.truth.unions import choose_videos

    data = Path("data", args.dataset)
    store, table = StoreReader(data / "masks"), read_table(data / "frames")
    videos = choose_videos(table, dataset.decode.stride, args.videos)
    _check_lengths(args.dataset, data, store, videos)
    _check_free(args, videos, (Path(dataset.videos, path) for path in table["path"]))
    if args.format == "overlay":
        return _overlay(args.out, data / "frames", dataset, store, videos, threshold)
    is_whole = len(videos) == (table["frames"] > 0).sum()
    return _json(args, params, store, videos, threshold, is_whole)


def _check_lengths(name: str, data: Path, store: StoreReader, videos: list[Video]) -> None:
    """Raises: ValueError for a video that has other frames than those that were segmented."""
    for video in videos:
        try:
            got = store.num_frames(video.id)
        except ValueError:
            got = 0
        if got != video.frames:
            expected = f"expected masks of {video.frames} frames of {video.id}, as {data / 'frames'} has them"
            raise ValueError(f"{data / 'masks'}: {expected}, got {got or 'none'}; `dvc repro segment@{name}`")


def _check_free(args: argparse.Namespace, videos: list[Video], own: Iterable[Path]) -> None:
    """Raises: ValueError for files that would be replaced: the data set's `own` videos, or without --force any."""
    targets = [args.out]
    if args.format in SUFFIXES:
        targets = [args.out / f"{video.id}{SUFFIXES[args.format]}" for video in videos]
    there = [path for path in targets if os.path.lexists(path)]
    if not there:
        return
    videos_own = {path.resolve() for path in own}
    if lost := [path for path in there if path.resolve() in videos_own]:
        got = f"{lost[0]}, which --force does not replace either"
        raise ValueError(f"masks export: --out, expected none of the data set's own videos, got {got}")
    if not args.force:
        got = f"{there[0]}{f' and {len(there) - 1:,} more' if there[1:] else ''}; --force replaces what is there"
        raise ValueError(f"masks export: --out, expected files that are not there yet, got {got}")


def _json(
    args: argparse.Namespace,
    params: Params,
    store: StoreReader,
    videos: list[Video],
    threshold: float,
    is_whole: bool,
) -> int:
    from objabn.stores.masks import group_names
    from objabn.truth.to_json import LOST, write_cvat, write_json

    if args.format == "cvat":
        written = write_cvat(args.out, store, videos, threshold=threshold)
    else:
        at_grid = args.size == "grid"
        written = write_json(args.out, store, videos, layout=args.format, threshold=threshold, at_grid=at_grid)
    frames, names = sum(video.frames for video in videos), group_names(store)
    of = f"{written.masks:,} masks of {frames:,} frames of {len(videos):,} videos"
    print(f"wrote {args.out}: {of}, each the union of a group at score {threshold:g}; {LOST}")
    if written.cells:
        lost = f"{written.cells:,} cells of {written.frames:,} frames"
        keep = "" if args.format == "cvat" else "; --size grid keeps all"
        print(f"{lost} differ when they come back, since the frames are small{keep}")
    sparse = "none" if videos[0].stride == 1 or args.format == "cvat" else "nearest"
    if args.format == "cvat":
        how = "Actions > Upload annotations > COCO 1.0, `Convert masks to polygons` off"
        print(f"in CVAT: a task for each video, with the labels {', '.join(names)}; {how}")
    block = _import_block(args, sparse, names)
    if not is_whole:
        print(f"to bring them back: {block} (of these videos only: the stage wants all)")
        return 0
    settings = [*([f"dataset={args.dataset}"] if args.dataset != params.dataset else []), block]
    command = " ".join(["python -m objabn repro", *(f"-S {shlex.quote(each)}" for each in settings)])
    print(f"to bring them back: {command}")
    return 0


def _import_block(args: argparse.Namespace, sparse: str, names: tuple[str, ...]) -> str:
    """`key=value` of the segmenter that reads the json; texts are quoted as in JSON, which is YAML, too."""
    from objabn.stores.masks import GROUPS

    path, groups = (
        json.dumps(each, ensure_ascii=False) for each in (str(args.out), None if names == GROUPS else names)
    )
    form = "coco" if args.format == "cvat" else args.format
    read = f"backend: import, masks: {path}, format: {form}, class_name: person, sparse: {sparse}"
    return f"datasets.{args.dataset}.segment={{{read}, images: null, groups: {groups}}}"


def _overlay(
    folder: Path, stored: Path, dataset: Dataset, store: StoreReader, videos: list[Video], threshold: float
) -> int:
    from objabn.stores.frames import open_frames
    from objabn.truth.overlay import write_overlay

    frames = open_frames(stored, Path(dataset.videos), dataset.decode)
    for video in progress(videos, desc="export", unit="video"):
        write_overlay(folder, frames, store, video, threshold)
    print(f"wrote {len(videos):,} videos in {folder}/: the union of each group at score {threshold:g}")
    return 0
