"""`python -m objabn <command>`: check the parameters, plan a run, index a data set, explain videos, look after the side
cache, run the ablations, pretrain the embedded data's networks."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from objabn.cli import ablate, cache, explain, plan, pretrain
from objabn.config.file import load_params


def _check(args: argparse.Namespace) -> int:
    params = load_params(args.params)
    index = Path("data", params.dataset, "index.csv")
    if params.datasets[params.dataset].synthesize is None and not index.is_file():
        fault = f"dataset: {params.dataset}: expected {index}, found none; `python -m objabn index` writes it"
        raise ValueError(f"{args.params}: {fault}")
    table = params.table
    rows = f"{len(table.attention) * len(table.pc)} rows, {len(table.controls)} control(s)"
    print(f"{args.params}: ok (dataset {params.dataset}, {rows}, {len(table.seeds)} seed(s) each)")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 2 when the input is at fault (one line for each fault on stderr)."""
    parser = argparse.ArgumentParser(prog="python -m objabn", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True)
    check = subparsers.add_parser("check", help="validate params.yaml; exit 2 with one line for each fault")
    check.add_argument("params", nargs="?", default="params.yaml", help="parameter file (default: params.yaml)")
    check.set_defaults(run=_check)
    ablate.add_parser(subparsers)
    cache.add_parser(subparsers)
    explain.add_parser(subparsers)
    plan.add_parser(subparsers)
    pretrain.add_parser(subparsers)
    command = (sys.argv[1:] if argv is None else list(argv))[:1]
    if command not in (["ablate"], ["cache"], ["check"], ["explain"], ["plan"], ["pretrain"]):
        from objabn.cli import index  # the other commands need not wait for pandas

        index.add_parser(subparsers)
    args = parser.parse_args(argv)
    try:
        return args.run(args)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
