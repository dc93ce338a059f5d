"""`python -m objabn check`: validate params.yaml, and see that the chosen data set is there."""

import argparse
from pathlib import Path

from objabn.config.file import load_params


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `check` with a parser's subcommands; `args.run(args)` returns 0 or raises ValueError."""
    parser = subparsers.add_parser("check", help="validate params.yaml; exit 2 with one line for each fault")
    parser.add_argument("params", nargs="?", default="params.yaml", help="parameter file (default: params.yaml)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what the file asks for; 0. Raises: ValueError for faults of the file, or without an index."""
    params = load_params(args.params)
    index = Path("data", params.dataset, "index.csv")
    if params.datasets[params.dataset].synthesize is None and not index.is_file():
        fault = f"dataset: {params.dataset}: expected {index}, found none; `python -m objabn index` writes it"
        raise ValueError(f"{args.params}: {fault}")
    table = params.table
    rows = f"{len(table.attention) * len(table.pc)} rows, {len(table.controls)} control(s)"
    print(f"{args.params}: ok (dataset {params.dataset}, {rows}, {len(table.seeds)} seed(s) each)")
    return 0
