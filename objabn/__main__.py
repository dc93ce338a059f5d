"""Check the parameters, plan a run, make everything, make a named study, say what took how long, index a data set, make
its ground truth, explain videos, export networks and masks, share a run, look after the side cache, run the ablations,
pretrain the embedded data's networks: `objabn <command>`, or `python -m objabn <command>`."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from objabn import __version__
from objabn.cli.checkout import enter_checkout, hand_over
from objabn.progress import print_any_name
from objabn.system.waiting import wait_passively

# A command is the module of its name in objabn/cli; only the one that is asked for is imported.
COMMANDS = {
    "explain": "a trained run's attention maps over any videos",
    "demo": "a page on this machine: give it a video, move through frames and maps",
    "export": "a trained run's logits and maps as one file for other programs: ONNX or pt2",
    "audit": "a network that was not trained here, evaluated and audited on a data set's test videos",
    "check": "is all there that the pipeline needs? exit 2 with one line for each fault",
    "plan": "what a run will cost: time and disk of each stage, from a minute of measuring",
    "repro": "all that `dvc repro` makes, with trainings side by side (`make repro`)",
    "study": "a named study of a data set: its design, and then all that `repro` makes for it",
    "times": "how long each stage of the pipeline took when it last ran here",
    "params": "what each key of params.yaml may be and means, and which stages read it",
    "index": "list a data set's videos in data/<dataset>/index.csv",
    "truth": "make a store of ground truth from boxes of UCF101-24 or Something-Else, or masks",
    "masks": "export a data set's masks for other tools: COCO, YouTube-VIS, videos to look at",
    "push": "a trained run as a folder that stands alone, with a model card; or on a hub",
    "cache": "what the side cache holds; `cache prune` frees what is not needed",
    "ablate": "controls and audits over seeds, readings of PC, maps that matter: on the embedded data (hours)",
    "pretrain": "train the embedded data set's own pretrained weights",
}
ANYWHERE = ("explain", "demo", "export")  # commands that need no checkout


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0, or 2 when the input is at fault (one line for each fault on stderr)."""
    given = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(prog="objabn", description=__doc__)
    parser.add_argument("--version", action="version", version=f"objabn {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    try:
        for name, what in COMMANDS.items():
            if name in given[:1]:
                import_module(f"objabn.cli.{name}").add_parser(subparsers)
            else:
                subparsers.add_parser(name, help=what)
        args = parser.parse_args(given)
        if args.command not in ANYWHERE:
            enter_checkout(args)
        print_any_name()
        return args.run(args)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "objabn", "stages"):
            raise
        extra = "report" if package in ("jinja2", "plotly") else "pipeline"
        print(
            f"objabn {given[0]}: needs the package {package}, found none; in a checkout of objabn: "
            f"`pip install -r requirements.txt`, or `pip install '.[{extra}]'`",
            file=sys.stderr,
        )
        return 2
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


def script() -> int:
    """Run a command as the console script does: in a checkout by the checkout's own code."""
    wait_passively()  # before a command imports torch; what follows has it from the environment
    hand_over()
    return main()


if __name__ == "__main__":
    sys.exit(script())
