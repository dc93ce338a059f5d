"""`objabn export [RUN | --model SPEC] --format onnx|pt2`: a network as one file that runs without this package."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from objabn.config.rows import SPECS
from objabn.index.names import printable

if TYPE_CHECKING:
    from objabn.evaluation.trained import TrainedRun
    from objabn.export.export import Exported

_OUT = Path("exported")
# Options of a model alone, and the arguments of `load_model`.
_OF_A_MODEL = {"--weights": "weights", "--frames": "num_frames", "--stride": "frame_stride", "--size": "size"}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `export` with a parser's subcommands; `args.run(args)` returns 0 or raises ValueError."""
    parser = subparsers.add_parser(
        "export",
        description="Writes logits and maps as one graph, for batches of any size, with class names and preprocessing "
        "inside the file. The file's answers are compared with PyTorch's; where they differ, nothing is written.",
    )
    add = parser.add_argument
    whose = "runs/<ds>/<attention>/pc-…[/seed-…] (default: the run that comes with the package)"
    add("trained", nargs="?", type=Path, metavar="RUN", help=whose)
    add("--format", dest="file_format", choices=("onnx", "pt2"), default="onnx", help="default: onnx")
    add("--out", type=Path, metavar="FILE", help=f"default: {_OUT}/<run>.<format>")
    add("--force", action="store_true", help="replace a file that is there")
    checked = "what the file is checked on (default: three of the run's data set, else three drawn ones)"
    add("--videos", nargs="+", type=Path, default=[], metavar="VIDEO", help=checked)
    add("--model", metavar="SPEC", help=f"in place of a run, a network that was not trained here: {SPECS}")
    add("--weights", metavar="FILE", help="of the model, or random (default: its own)")
    add("--frames", dest="num_frames", type=int, metavar="N", help="of a clip (default: as the model was made)")
    add("--stride", dest="frame_stride", type=int, metavar="N", help="a model sees every n-th frame (default: 2)")
    add("--size", type=int, metavar="PIXELS", help="of a clip's frames, square (default: as the model was made)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export a network and print what the file is, and how far it is from PyTorch; 0.

    Raises:
        ValueError: no such run, model or video, a file that would be replaced, missing packages, or a file whose
            answers are not PyTorch's.
    """
    from objabn.export.export import check_path, export
    from objabn.export.formats import check_format

    check_format(args.file_format)
    loaded, name = _model(args) if args.model is not None else _run(args)
    out = args.out or _OUT / f"{name}.{args.file_format}"
    check_path(out, args.file_format, force=args.force)
    _tell(export(loaded, out, file_format=args.file_format, videos=args.videos, force=args.force))
    return 0


def _run(args: argparse.Namespace) -> "tuple[TrainedRun, str]":
    """Load the run, and name its file."""
    from objabn.evaluation.trained import SHIPPED, find_run, load
    from objabn.export.notes import run_name
    from objabn.sharing.foreign_code import code_line

    if given := [option for option, name in _OF_A_MODEL.items() if getattr(args, name) is not None]:
        raise ValueError(f"{given[0]}: expected --model beside it, got a run, which sees clips as it was trained")
    directory, taken = find_run(args.trained or SHIPPED)
    print(f"run: {'the one that comes with objabn' if args.trained is None else directory}{taken and f', {taken}'}")
    if args.trained is not None and (line := code_line(directory)):
        print(line, flush=True)
    return load(directory, device="cpu"), run_name(directory).replace("/", "-")


def _model(args: argparse.Namespace) -> "tuple[TrainedRun, str]":
    """Load the model, and name its file."""
    from objabn.explanation.models import load_model

    if args.trained is not None:
        raise ValueError(f"export: expected RUN or --model, got both, {args.trained} and {args.model}")
    settings = {name: getattr(args, name) for name in _OF_A_MODEL.values()}
    loaded = load_model(args.model, **settings, device="cpu")
    print(f"model: {printable(args.model)}, {len(loaded.class_names)} classes")
    return loaded, re.sub(r"[^\w.]+", "-", args.model).strip("-.")


def _tell(exported: "Exported") -> None:
    notes = exported.notes
    print(f"checked on {exported.videos}")
    for size, differences in exported.differences.items():
        words = ", ".join(f"{name} {difference:.1e}" for name, difference in differences.items())
        print(f"batch {size}: largest difference from PyTorch: {words}")
    if not notes["map_names"]:
        print("no maps: the network has no attention branch, and Grad-CAM needs gradients, which a graph has not")
    for kind in ("inputs", "outputs"):
        for name, each in notes[kind].items():
            print(f"{kind[:-1]} {name}: float32 ({', '.join(map(str, each['shape']))})")
    megabytes = exported.path.stat().st_size / 1e6
    print(f"{printable(str(exported.path))}: {megabytes:.1f} MB, {notes['operators']}")
