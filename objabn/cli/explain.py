"""`objabn explain VIDEO... [--run DIR | --model SPEC]`: a network's maps over any videos, in no stage."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from objabn.config.rows import GRAD_CAM, MAPS, METHODS, Colours
from objabn.explanation.inputs import complain, find_videos
from objabn.index.names import printable

if TYPE_CHECKING:
    from objabn.evaluation.trained import TrainedRun

_OUT = Path("explained")
# Options of a model alone, and the arguments of `load_model`.
_OF_A_MODEL = {
    "--weights": "weights",
    "--frames": "num_frames",
    "--stride": "frame_stride",
    "--size": "size",
    "--layer": "layer",
}


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
    add(
        "--model",
        metavar="SPEC",
        help="in place of a run, a network that was not trained here: torchvision:NAME, hf:FOLDER (of transformers), "
        "FILE.py:FUNCTION or package.module:function, whose code is run",
    )
    add("--weights", metavar="FILE", help="of the model, or random (default: its own)")
    add("--method", choices=METHODS, help="of any network (default: a run's own maps; grad-cam of a model)")
    add("--frames", dest="num_frames", type=int, metavar="N", help="of a clip (default: as the model was made)")
    add("--stride", dest="frame_stride", type=int, metavar="N", help="a model sees every n-th frame (default: 2)")
    add("--size", type=int, metavar="PIXELS", help="of a clip's frames, square (default: as the model was made)")
    add("--layer", help="of the model, for grad-cam and layer-cam (default: the last that has cells)")
    add("--out", type=Path, default=_OUT, metavar="DIR", help=f"where to write (default: {_OUT}/)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a CUDA device if there is one")
    add("--colours", choices=get_args(Colours), default="turbo", help="of the maps; jet: the paper's (default: turbo)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Explain one video after another; 0, or 2 when one of them could not be: each fault is a line on stderr.

    Raises:
        ValueError: no such run, model, method, map or device, before any video is opened.
    """
    from objabn.explanation.explain import check_method, explain

    loaded, said = _model(args) if args.model is not None else _run(args)
    check_method(args.method, args.maps, loaded)
    if said:
        print(said)
    found, missing = find_videos(args.videos)
    done = 0
    for video in found:
        folder, shown = args.out / video.name, printable(str(video.path))
        try:
            explanation = explain(
                video.path, loaded, method=args.method, maps=args.maps, out=folder, colours=args.colours
            )
        except Exception as error:  # whatever one video does to a decoder, it costs a line and not the others
            kind = "" if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: "
            complain(f"{shown}: {kind}{' '.join(str(error).split())}")
            continue
        done += 1
        promised = explanation.promised_frames
        if promised is not None and explanation.num_frames < promised:
            complain(f"{shown}: cut or broken, {explanation.num_frames} of {promised} frames could be decoded")
        top = ", ".join(f"{printable(name)} {probability:.1%}" for name, probability in explanation.top())
        print(f"{shown}: {top}; {printable(str(folder))}", flush=True)
    total = len(found) + missing
    print(f"explained {done} of {total} video{'' if total == 1 else 's'} in {args.out}/")
    return 0 if done == total else 2


def _run(args: argparse.Namespace) -> "tuple[TrainedRun, str]":
    """Load the run; and a line that says which, where that is not plain."""
    from objabn.evaluation.trained import SHIPPED, find_run, load
    from objabn.sharing.foreign_code import code_line

    if given := [option for option, name in _OF_A_MODEL.items() if getattr(args, name) is not None]:
        raise ValueError(f"{given[0]}: expected --model beside it, got a run, which sees clips as it was trained")
    directory, taken = find_run(args.trained or SHIPPED)
    if args.trained is not None and (line := code_line(directory)):
        print(line, flush=True)
    loaded = load(directory, device=args.device)
    if args.trained is None:
        known = loaded.class_names
        return loaded, (
            f"run: the one that comes with objabn. It knows {len(known)} drawn actions ({', '.join(known)}) and no "
            "others: of a real video its answer is one of them all the same. --run DIR takes a run of yours, --model "
            "a network from elsewhere"
        )
    if directory != args.trained:
        return loaded, f"run: {directory}" + (f", {taken}" if taken else "")
    return loaded, ""


def _model(args: argparse.Namespace) -> "tuple[TrainedRun, str]":
    """Load the model; and a line that says what it is and sees."""
    from objabn.explanation.models import load_model

    if args.trained is not None:
        raise ValueError(f"explain: expected --run or --model, got both, {args.trained} and {args.model}")
    settings = {name: getattr(args, name) for name in _OF_A_MODEL.values()}
    loaded = load_model(args.model, **settings, device=args.device)
    data = loaded.params.data
    return loaded, (
        f"model: {printable(args.model)}, {len(loaded.class_names)} classes. It sees clips of {data.num_frames} "
        f"frames, {data.crop} x {data.crop} pixels, frame_stride {data.frame_stride}; "
        f"layer {loaded.params.gradcam.layer}"
    )
