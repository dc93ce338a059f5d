"""`objabn explain VIDEO... [--run DIR]`: a trained network's maps over any videos, in no stage."""

import argparse
from pathlib import Path

from objabn.config.rows import GRAD_CAM, MAPS
from objabn.explanation.inputs import complain, find_videos
from objabn.index.names import printable

_OUT = Path("explained")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `explain` with a parser's subcommands; `args.run(args)` returns an exit status or raises ValueError."""
    parser = subparsers.add_parser(
        "explain",
        description="Writes for each video overlay.mp4, strip.png, maps.npz and explanation.json. The overlay shows "
        "the frames that the network saw, every frame_stride-th, and none between them.",
    )
    add = parser.add_argument
    add("videos", nargs="+", metavar="VIDEO", help="file, directory (with all below it) or pattern (** for any depth)")
    add(
        "--run",
        dest="trained",
        type=Path,
        metavar="DIR",
        help="runs/<ds>/<attention>/pc-…[/seed-…] (default: the "
        "run that comes with the package, which knows eight drawn actions and nothing else)",
    )
    letters = sorted({letter for letters in MAPS.values() for letter in letters} | {GRAD_CAM})
    add("--map", dest="maps", action="append", choices=letters, help="only this one; may be repeated (default: all)")
    add("--out", type=Path, default=_OUT, metavar="DIR", help=f"where to write (default: {_OUT}/)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a CUDA device if there is one")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Explain one video after another; 0, or 2 when one of them could not be: each fault is a line on stderr.

    Raises:
        ValueError: no such run, map or device, before any video is opened.
    """
    from objabn.evaluation.trained import SHIPPED, find_run
    from objabn.explanation.explain import check_maps, explain, load

    directory, taken = find_run(args.trained or SHIPPED)
    loaded = load(directory, device=args.device)
    check_maps(args.maps, loaded)
    if args.trained is None:
        known = loaded.class_names
        print(
            f"run: the one that comes with objabn. It knows {len(known)} drawn actions ({', '.join(known)}) and no "
            "others: of a real video its answer is one of them all the same. --run DIR takes a run of yours"
        )
    elif directory != args.trained:
        print(f"run: {directory}" + (f", {taken}" if taken else ""))
    found, missing = find_videos(args.videos)
    done = 0
    for video in found:
        folder, shown = args.out / video.name, printable(str(video.path))
        try:
            explanation = explain(video.path, loaded, maps=args.maps, out=folder)
        except Exception as error:  # whatever one video does to a decoder, it costs a line and not the others
            kind = "" if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: "
            complain(f"{shown}: {kind}{' '.join(str(error).split())}")
            continue
        done += 1
        promised = explanation.promised_frames
        if promised is not None and explanation.num_frames < promised:
            complain(f"{shown}: cut or broken, {explanation.num_frames} of {promised} frames could be decoded")
        top = ", ".join(f"{name} {probability:.1%}" for name, probability in explanation.top())
        print(f"{shown}: {top}; {printable(str(folder))}", flush=True)
    total = len(found) + missing
    print(f"explained {done} of {total} video{'' if total == 1 else 's'} in {args.out}/")
    return 0 if done == total else 2
