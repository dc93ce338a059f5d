"""Arguments that stages share."""

import argparse
from typing import Any, get_args

from objabn.config.faults import ParamsError
from objabn.config.file import load_params
from objabn.config.rows import LOSSES, Audit, NetworkControl
from objabn.config.schema import Dataset, Params
from objabn.config.selection import control_and_block
from stages.paths import row_path


def parse(
    description: str | None, *, row: bool = False, seed: bool = False, audit: bool = False
) -> tuple[argparse.Namespace, Params, Any]:
    """Arguments, the whole validated params.yaml and the block of the named data set, changed as the row says.

    Args:
        row: with `--attention` and `--pc`, or `--control`, which select a row of the table; all three are then set, a
            control's as its block says, and besides `row` (where it stands), `masks` and `labels` (which it is trained
            with; masks a name or a control's block), and `network` (the block of one not trained here, or None).
        seed: with `--seed`.
        audit: with `--only`.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("dataset", help="a block under `datasets` in params.yaml")
    if row:
        parser.add_argument("--attention", choices=LOSSES)
        parser.add_argument("--pc", type=_boolean, metavar="{true,false}")
        parser.add_argument("--control", metavar="NAME", help="a block under `controls` in params.yaml, instead")
    if seed:
        parser.add_argument("--seed", required=True, type=int)
    if audit:
        parser.add_argument("--only", choices=get_args(Audit), default="rows", help="which audits; rows: all")
    arguments = parser.parse_args()
    if row:
        given = (arguments.attention is not None, arguments.pc is not None, arguments.control is not None)
        if given not in ((True, True, False), (False, False, True)):
            parser.error("expected --attention and --pc, or --control")
    params = load_params()
    dataset = dataset_block(params, arguments.dataset)
    if row:
        arguments.masks = arguments.labels = "own"
        arguments.network = None
        if arguments.control is not None:
            control, dataset = control_and_block(params, dataset, arguments.control)
            arguments.attention, arguments.pc = control.attention, control.pc
            arguments.masks = control.masks
            if isinstance(control, NetworkControl):
                arguments.network = control
            else:
                arguments.labels = control.labels
        arguments.row = row_path(arguments.control or arguments.attention, arguments.pc)
    return arguments, params, dataset


def dataset_block(params: Params, dataset: str) -> Dataset:
    """The data set's parameters. Raises: ParamsError when there is no such block."""
    if dataset not in params.datasets:
        raise ParamsError(f"params.yaml: datasets.{dataset}: missing; known: {', '.join(sorted(params.datasets))}")
    return params.datasets[dataset]


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"expected true or false, got {text!r}")
    return text.lower() == "true"
