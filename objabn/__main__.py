"""Check the parameters, plan a run, index a data set, explain videos, look after the side cache, run the ablations,
pretrain the embedded data's networks: `python -m objabn <command>`."""

import argparse
import sys
from collections.abc import Sequence

from objabn.cli import ablate, cache, check, explain, plan, pretrain


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 2 when the input is at fault (one line for each fault on stderr)."""
    parser = argparse.ArgumentParser(prog="python -m objabn", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True)
    check.add_parser(subparsers)
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
