"""What a check has found: one line each, of a stage that needs it, and where a stage's outputs are there already."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

STAGES = ("decode", "segment", "train", "evaluate")  # in the pipeline's order


@dataclass(frozen=True)
class Finding:
    """One line of a check.

    Attributes:
        stage: the first one that needs it.
        level: ok, warning (said, and no more) or fault (the stage would fail).
        line: where, expected, got, and what to do.
    """

    stage: str
    level: Literal["ok", "warning", "fault"]
    line: str


def fault(stage: str, line: str) -> Finding:
    return Finding(stage, "fault", line)


def warning(stage: str, line: str) -> Finding:
    return Finding(stage, "warning", line)


def ok(stage: str, line: str) -> Finding:
    return Finding(stage, "ok", line)


def settle(findings: list[Finding], there: dict[str, Path]) -> list[Finding]:
    """Sort findings by stage, and make warnings of the faults of what is done.

    Args:
        there: the outputs of each stage that is done.
    """
    settled = []
    for each in findings:
        if each.level == "fault" and each.stage in there:
            note = f"needed only if {each.stage} runs again: {there[each.stage]} is there"
            each = replace(each, level="warning", line=f"{each.line} ({note})")
        settled.append(each)
    return sorted(settled, key=lambda each: STAGES.index(each.stage))
