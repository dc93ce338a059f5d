"""`python -m objabn <command>`: check the parameters, index a data set, pretrain the embedded data's networks."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from objabn.params import load_params

COMMANDS = ("check", "index", "pretrain")
PRETRAIN = ("objabn.pretraining", "objabn.segmenter_training")  # each adds a part: backbone, segmenter


def _check(args: argparse.Namespace) -> int:
    params = load_params(args.params)
    rows = len(params.table.attention) * len(params.table.pc)
    print(f"{args.params}: ok (dataset {params.dataset}, {rows} rows, {len(params.table.seeds)} seed(s) each)")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 2 when the input is at fault (one line for each fault on stderr)."""
    parser = argparse.ArgumentParser(prog="python -m objabn", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True)
    check = subparsers.add_parser("check", help="validate params.yaml; exit 2 with one line for each fault")
    check.add_argument("params", nargs="?", default="params.yaml", help="parameter file (default: params.yaml)")
    check.set_defaults(run=_check)
    command = next(iter(sys.argv[1:] if argv is None else argv), "")
    wanted = {command} if command in COMMANDS else set(COMMANDS)  # a command waits for its own imports only
    if "index" in wanted:
        import_module("objabn.index").add_parser(subparsers)
    if "pretrain" in wanted:
        pretrain = subparsers.add_parser("pretrain", help="train the embedded data set's own pretrained weights")
        parts = pretrain.add_subparsers(dest="part", required=True)
        for module in PRETRAIN:
            import_module(module).add_parser(parts)
    args = parser.parse_args(argv)
    try:
        return args.run(args)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
