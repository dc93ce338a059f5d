"""`python -m objabn check`: validate params.yaml, and see that all is there that the pipeline's stages need.

python -m objabn check -S dataset=ucf101
"""

import argparse

from objabn.config.file import add_overrides, load_params
from objabn.config.rows import Table
from objabn.config.selection import trained_table
from objabn.plan.costs import num_rows

NO_STAR = "but then no comparison gets a star"
ONE_SEED = (
    "one training of each row, so no comparison gets a star; "
    "it takes two seeds, and three are the least that tell much: -S 'table.seeds=[0,1,2]'"
)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `check` with a parser's subcommands; `args.run(args)` returns 0 or raises ValueError."""
    parser = subparsers.add_parser(
        "check",
        help="validate params.yaml and what the stages need; exit 2 with one line for each fault",
        description="Validates params.yaml, then looks in seconds for what the stages need: videos, index, disk, the "
        "segmenter's library and weights, pretrained weights, shared memory, devices. Changes and downloads nothing. "
        "What only a stage needs that is done already is a warning. With OBJABN_CHECK=off nothing but a fault of "
        "params.yaml counts; the first stages, which check the same, go on then.",
    )
    parser.add_argument("params", nargs="?", default="params.yaml", help="parameter file (default: params.yaml)")
    add_overrides(parser, "such as dataset=ucf101")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what the file asks for and what was found; 0.

    Raises:
        ValueError: faults of the file, else all that is missing, a line each.
    """
    params = load_params(args.params, args.set_param)
    table = params.table
    rows = f"{len(table.attention) * len(table.pc)} rows, {len(table.controls)} control(s)"
    print(f"{args.params}: ok (dataset {params.dataset}, {rows}, {len(table.seeds)} seed(s) each)")
    print(f"seeds: {_seeds(trained_table(params))}")
    from objabn.preflight.check import OFF, VARIABLE, check_needs, is_off

    found = check_needs(params.dataset, params)
    faults = [f"{args.params}: {each.line}" for each in found if each.level == "fault"]
    for each in found:
        if each.level != "fault":
            print(f"{each.level}: {each.line}")
    if faults and is_off():
        print("\n".join([*(f"fault: {line}" for line in faults), f"{VARIABLE}={OFF}: none of them counts"]))
    elif faults:
        raise ValueError("\n".join(faults))
    return 0


def _seeds(table: Table) -> str:
    """Say how many trainings the table asks for, and how to ask for one seed."""
    rows, seeds = num_rows(table), len(table.seeds)
    if seeds == 1:
        return f"{rows} trainings: {ONE_SEED}"
    asks = f"{rows * seeds} trainings ({rows} rows x {seeds} seeds)"
    return f"{asks}; one seed: {rows}, with -S 'table.seeds=[{table.seeds[0]}]', {NO_STAR}"
