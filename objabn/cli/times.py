"""`python -m objabn times`: the wall time that each stage took when it last ran here.

python -m objabn times --json
"""

import argparse
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from objabn.cli.stages import all_stages
from objabn.config.file import load_params
from objabn.config.schema import Params
from objabn.system.times import Time, read_times

COMMAND = "repro"  # under this name `objabn repro` keeps its own time
_SLACK_SEC = 1.0  # between the clocks of two processes
_HEADINGS = ("stage", "runs", "sum, s", "wall, s", "share", "outside", "sum, s", "ended")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `times` with a parser's subcommands; `args.run(args)` returns 0 or raises ValueError."""
    parser = subparsers.add_parser(
        "times",
        description="Prints how long each stage of the pipeline took when it last ran in this checkout: those that "
        "the last `objabn repro` ran, and beside them, as `outside`, those that ran before or after it. "
        "Stages that run side by side have a sum greater than their wall time.",
    )
    parser.add_argument("--json", action="store_true", help="the same as one JSON object, with a time for each stage")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table; 0.

    Raises:
        ValueError: parameters at fault, or no stage has run here.
    """
    found = collect(load_params())
    if not has_times(found):
        raise ValueError("times: expected stages that DVC has run in this checkout, found none; run `objabn repro`")
    print(json.dumps(found) if args.json else "\n".join(table(found)))
    return 0


def collect(params: Params) -> dict[str, Any]:
    """Collect the times of the pipeline's stages, those of the last `objabn repro` apart from the others.

    Without one, all stages count as its own, and its wall time is that in which any stage ran.
    """
    kept = read_times()
    whole = kept.pop(COMMAND, None)
    kinds: dict[str, Any] = {}
    intervals: list[tuple[float, float]] = []
    for kind, names in all_stages(params).items():
        if not names:
            continue
        times = [kept[name] for name in names if name in kept]
        finished = [each for each in times if each.is_finished]
        now = [each for each in finished if whole is None or _is_inside(each, whole)]
        earlier = [each for each in finished if each not in now]
        intervals += [(each.began, each.ended) for each in now]
        kinds[kind] = {
            "stages": len(names),
            "runs": len(now),
            "sum_sec": _total(now),
            "wall_sec": _covered((each.began, each.ended) for each in now),
            "earlier_runs": len(earlier),
            "earlier_sum_sec": _total(earlier),
            "earlier_ended": max((each.ended for each in earlier), default=None),
            "unfinished": [each.name for each in times if not each.is_finished],
            "each": {each.name: round(each.seconds, 1) for each in finished},
        }
    busy = _covered(intervals)
    command = None if whole is None else {"began": whole.began, "seconds": whole.seconds, "done": whole.is_finished}
    return {"command": command, "wall_sec": busy if whole is None else whole.seconds, "busy_sec": busy, "stages": kinds}


def has_times(found: dict[str, Any]) -> bool:
    """Tell whether any stage has a time in what `collect` found."""
    return any(each["runs"] or each["earlier_runs"] or each["unfinished"] for each in found["stages"].values())


def _is_inside(stage: Time, whole: Time) -> bool:
    return whole.began - _SLACK_SEC <= stage.began and stage.ended <= whole.ended + _SLACK_SEC


def _total(times: list[Time]) -> float:
    return sum(each.seconds for each in times)


def _covered(intervals: Iterable[tuple[float, float]]) -> float:
    """Measure the time that at least one of the intervals covers."""
    covered, until = 0.0, float("-inf")
    for begin, end in sorted(intervals):
        covered += max(end - max(begin, until), 0.0)
        until = max(until, end)
    return covered


def table(found: dict[str, Any]) -> list[str]:
    """Set what `collect` found as lines of text."""
    wall, kinds = found["wall_sec"], found["stages"]
    lines: list[tuple[str, ...]] = [_HEADINGS]
    for kind, each in kinds.items():
        runs = ("", "", "", "")
        if each["runs"]:
            share = f"{each['wall_sec'] / wall:.0%}" if wall else ""
            runs = (f"{each['runs']}", f"{each['sum_sec']:,.1f}", f"{each['wall_sec']:,.1f}", share)
        earlier = ("", "", "")
        if each["earlier_runs"]:
            earlier = (f"{each['earlier_runs']}", f"{each['earlier_sum_sec']:,.1f}", _date(each["earlier_ended"]))
        lines.append((kind, *runs, *earlier))
    count, total = (sum(each[key] for each in kinds.values()) for key in ("runs", "sum_sec"))
    share = f"{found['busy_sec'] / wall:.0%}" if wall else ""
    lines.append(("all", f"{count}", f"{total:,.1f}", f"{found['busy_sec']:,.1f}", share, "", "", ""))
    if not any(each["earlier_runs"] for each in kinds.values()):
        lines = [line[:5] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(_aligned(cell, width, at) for at, (cell, width) in enumerate(zip(line, widths, strict=True)))
            for line in lines]  # fmt: skip
    return [*(line.rstrip() for line in text), *_notes(found)]


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)


def _notes(found: dict[str, Any]) -> list[str]:
    """Say how long the command took, and which stages have no time."""
    notes = []
    if command := found["command"]:
        rest = command["seconds"] - found["busy_sec"]
        how = "took" if command["done"] else "did not come to its end and took"
        took = f"objabn {COMMAND} of {_date(command['began'])} {how} {command['seconds']:,.1f} s"
        notes.append(f"{took}; in {max(rest, 0.0):,.1f} s of them no stage ran (DVC, starting processes)")
    stages = found["stages"].items()
    if unfinished := [name for _, each in stages for name in each["unfinished"]]:
        notes.append(f"not finished when they last ran: {', '.join(unfinished)}")
    lacking = []
    for kind, each in stages:
        if number := each["stages"] - each["runs"] - each["earlier_runs"] - len(each["unfinished"]):
            lacking.append(kind if number == each["stages"] else f"{kind} ({number} of {each['stages']})")
    if lacking:
        notes.append(f"no time, from DVC's cache or never run here: {', '.join(lacking)}")
    return notes


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
