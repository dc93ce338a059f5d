"""`python -m objabn masks export`: the masks of a data set for other tools, where people look at them and correct them.

python -m objabn masks export --dataset NAME --format coco --out masks.json          # an annotation a frame and group
python -m objabn masks export --dataset NAME --format youtube-vis --out masks.json   # a track a video and group
python -m objabn masks export --dataset NAME --format overlay --out DIR              # an mp4 a video

The json comes back by `segment.backend: import`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from objabn.config.file import load_params
from objabn.progress import progress

if TYPE_CHECKING:
    from objabn.config.schema import Dataset
    from objabn.stores.array import StoreReader
    from objabn.truth.unions import Video

LAYOUTS = ("coco", "youtube-vis", "overlay")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `masks` with a parser's subcommands; `args.run(args)` returns 0 or raises ValueError."""
    masks = subparsers.add_parser("masks")
    parser = masks.add_subparsers(dest="action", required=True, metavar="ACTION").add_parser(
        "export",
        help="write the masks for other tools",
        description="Writes for each group of instances (person, other) the union of those of a score of at least "
        "--threshold. Scores and instances are not kept. The json is what `segment.backend: import` reads.",
    )
    add = parser.add_argument
    add("--dataset", required=True, help="its block in params.yaml")
    add("--format", choices=LAYOUTS, required=True, help="a json of COCO or YouTube-VIS, or an mp4 a video")
    add("--out", type=Path, required=True, metavar="PATH", help="the json, or the directory of the mp4s")
    add("--threshold", type=float, metavar="T", help="least score (default: the data set's mask.score_threshold)")
    add("--videos", nargs="+", metavar="ID", help="only these, by their ids in index.csv")
    add(
        "--size",
        choices=("frame", "grid"),
        default="frame",
        help="of a json's masks: the video's frames (default), for tools that show both; or the stored 128 x 128, "
        "which keeps every cell of frames that are smaller than about 200 pixels, too",
    )
    parser.set_defaults(run=export)


def export(args: argparse.Namespace) -> int:
    """Write the masks and print what they are and how they come back; 0.

    Raises:
        ValueError: no such data set or video, no masks, or a threshold outside (0, 1].
    """
    params = load_params()
    if args.dataset not in params.datasets:
        known = ", ".join(sorted(params.datasets))
        raise ValueError(f"masks export: --dataset, expected one of {known}, got {args.dataset!r}")
    dataset = params.datasets[args.dataset]
    threshold = dataset.mask.score_threshold if args.threshold is None else args.threshold
    if not 0 < threshold <= 1:
        raise ValueError(f"masks export: --threshold, expected a score in (0, 1], got {threshold:g}")
    if args.format != "overlay" and args.out.is_dir():
        raise ValueError(f"masks export: --out, expected a file to write, got the directory {args.out}")
    if args.format == "overlay" and args.out.is_file():
        raise ValueError(f"masks export: --out, expected a directory to write to, got the file {args.out}")

    from objabn.stores.array import StoreReader
    from objabn.stores.table import read_table
    from objabn.truth.unions import choose_videos

    data = Path("data", args.dataset)
    store, table = StoreReader(data / "masks"), read_table(data / "frames")
    videos = choose_videos(table, dataset.decode.stride, args.videos)
    if args.format == "overlay":
        return _overlay(args.out, data / "frames", dataset, store, videos, threshold)
    return _json(args, store, videos, threshold)


def _json(args: argparse.Namespace, store: StoreReader, videos: list[Video], threshold: float) -> int:
    from objabn.stores.masks import GROUPS, group_names
    from objabn.truth.to_json import LOST, write_json

    at_grid = args.size == "grid"
    written = write_json(args.out, store, videos, layout=args.format, threshold=threshold, at_grid=at_grid)
    frames = sum(video.frames for video in videos)
    of = f"{written.masks:,} masks of {frames:,} frames of {len(videos):,} videos"
    print(f"wrote {args.out}: {of}, each the union of a group at score {threshold:g}; {LOST}")
    if written.cells:
        lost = f"{written.cells:,} cells of {written.frames:,} frames"
        print(f"{lost} differ when they come back, since the frames are small; --size grid keeps all")
    sparse = "none" if videos[0].stride == 1 else "nearest"
    back = f"{{backend: import, masks: {args.out}, format: {args.format}, class_name: person, sparse: {sparse}, "
    names = group_names(store)
    groups = "null" if names == GROUPS else f"[{', '.join(names)}]"
    print(f"to bring them back: datasets.{args.dataset}.segment={back}images: null, groups: {groups}}}")
    return 0


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
