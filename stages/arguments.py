"""Arguments that stages share."""

import argparse
from typing import Any

from objabn.parameter_file import ParamsError, load_params
from objabn.params import CONTROLS, MAPS, Dataset, Params


def parse(description: str | None, *, row: bool = False, seed: bool = False) -> tuple[argparse.Namespace, Params, Any]:
    """Arguments, the whole validated params.yaml and the block of the named data set.

    Args:
        row: with `--attention` and `--pc`, or `--control`, which select a row of the table; all three are then set.
        seed: with `--seed`.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("dataset", help="a block under `datasets` in params.yaml")
    if row:
        parser.add_argument("--attention", choices=[name for name in MAPS if name not in CONTROLS])
        parser.add_argument("--pc", type=_boolean, metavar="{true,false}")
        parser.add_argument("--control", choices=CONTROLS, help="instead of --attention and --pc")
    if seed:
        parser.add_argument("--seed", required=True, type=int)
    arguments = parser.parse_args()
    if row:
        given = (arguments.attention is not None, arguments.pc is not None, arguments.control is not None)
        if given not in ((True, True, False), (False, False, True)):
            parser.error("expected --attention and --pc, or --control")
        if arguments.control is not None:
            arguments.attention, arguments.pc = arguments.control, False
    params = load_params()
    return arguments, params, dataset_block(params, arguments.dataset)


def dataset_block(params: Params, dataset: str) -> Dataset:
    """The data set's parameters. Raises: ParamsError when there is no such block."""
    if dataset not in params.datasets:
        raise ParamsError(f"params.yaml: datasets.{dataset}: missing; known: {', '.join(sorted(params.datasets))}")
    return params.datasets[dataset]


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"expected true or false, got {text!r}")
    return text.lower() == "true"
