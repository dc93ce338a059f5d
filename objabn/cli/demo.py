"""`objabn demo [--run DIR]... [--model SPEC]...`: a page on this machine to play with a network's maps, in no stage."""

import argparse
import signal
import threading
from pathlib import Path
from typing import Any

_PACKAGE = "gradio"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `demo` with a parser's subcommands; `args.run(args)` returns an exit status or raises ValueError."""
    parser = subparsers.add_parser(
        "demo",
        description="Serves a page on this machine alone: give it a video, choose a network, move through frames and "
        "maps. Without --run and --model it offers the checkout's runs, the run that comes with the package, and "
        "torchvision's networks whose weights are here.",
    )
    add = parser.add_argument
    add(
        "--run",
        dest="trained",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="offer this run: runs/<ds>/<attention>/pc-…[/seed-…]; may be repeated",
    )
    add(
        "--model",
        dest="models",
        action="append",
        default=[],
        metavar="SPEC",
        help="offer this network, as `explain --model` names it, whose code is run; may be repeated",
    )
    add("--weights", metavar="FILE", help="of the one model, or random (default: its own)")
    add("--port", type=int, metavar="N", help="of the page (default: the first free one from 7860 on)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a CUDA device if there is one")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C; 0.

    Raises:
        ValueError: gradio is not installed; no such run, model, weights, device or port.
    """
    from objabn.cli.checkout import find_root
    from objabn.demo.offers import Networks, choose_offers
    from objabn.evaluation.trained import choose_device

    if args.port is not None and not 0 < args.port < 2**16:
        raise ValueError(f"--port: expected 1 to {2**16 - 1}, got {args.port}")
    choose_device(args.device)
    root = find_root(Path.cwd())
    offers = choose_offers(root, args.trained, args.models, args.weights)
    try:
        from objabn.demo.page import serve
    except ModuleNotFoundError as error:
        if error.name != _PACKAGE:
            raise
        raise ValueError(
            f"objabn demo: needs the package {_PACKAGE}, found none; in a checkout of objabn: "
            "`pip install -r requirements-demo.txt`, or `pip install '.[demo]'`"
        ) from error
    networks = Networks(offers, args.device)
    for offer in offers if args.trained or args.models else []:
        networks.load(offer.name)  # a fault of what was named costs the command, not the visitor
    ended = threading.Event()
    for each in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal, too: the temporary folder is removed
        signal.signal(each, lambda *_: ended.set())
    with serve(offers, networks, root, args.port) as url:
        print(f"demo: {url} offers {_count(offers)}; Ctrl-C ends it", flush=True)
        try:
            ended.wait()
        except KeyboardInterrupt:
            print()
    return 0


def _count(offers: list[Any]) -> str:
    return f"{len(offers)} network{'' if len(offers) == 1 else 's'}"
