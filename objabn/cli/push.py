"""`objabn push --run RUN --to DIR`: a trained run as a folder that stands alone, with a model card.

objabn push --run runs/synthetic/mask/pc-false --to shared/mask             # all seeds of the row
objabn push --run runs/synthetic/mask/pc-false --seed 0 --to shared/mask-0  # one
"""

import argparse
import shlex
from pathlib import Path


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `push` with a parser's subcommands; `args.run(args)` returns 0 or raises ValueError."""
    parser = subparsers.add_parser(
        "push",
        description="Writes weights, run.json and README.md, a model card: data, row, numbers, limits, licences. "
        "`objabn explain --run DIR` reads the folder on any machine. A folder that push has written is replaced.",
    )
    add = parser.add_argument
    add("--run", dest="trained", type=Path, required=True, metavar="RUN", help="runs/<ds>/<attention>/pc-…[/seed-…]")
    add("--to", type=Path, required=True, metavar="DIR", help="the folder to write")
    add("--seed", type=int, metavar="N", help="this training alone (default: all of the row)")
    add(
        "--license",
        metavar="NAME",
        help="of the weights, as hubs name it: cc-by-4.0 (default: apache-2.0 of objabn's own data, else unknown)",
    )
    add("--hub", metavar="USER/NAME", help="then upload the folder to this repository of huggingface.co")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the folder, upload it where that is asked for, and say what was done; 0.

    Raises:
        ValueError: as `push`, `check_hub` and `upload`.
    """
    from objabn.sharing.hub import check_hub, upload
    from objabn.sharing.push import UNKNOWN, push

    if args.hub is not None:
        check_hub(args.hub)
    pushed = push(args.trained, args.to, seed=args.seed, licence=args.license)
    networks = f"{pushed.networks} network{'s' * (pushed.networks != 1)}"
    explain = f"objabn explain VIDEO --run {shlex.quote(str(args.to))}"
    print(f"wrote {args.to}: {networks} and README.md, the model card; {explain}")
    if not pushed.evaluated:
        print("the card has no numbers: the row was not evaluated")
    if pushed.licence == UNKNOWN:
        print("the card states no licence of the weights: --license NAME does")
    if pushed.outside:
        print(f"run.json names paths of this machine: {', '.join(pushed.outside)}")
    if args.hub is not None:
        print(f"uploaded to {upload(args.to, args.hub)}")
    return 0
