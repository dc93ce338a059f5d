"""Say what a part of the benchmark has found, line by line, in the process that runs all parts."""

import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import torch

PASS, FAIL, NOTE = "PASS", "FAIL", "note"


class Line(NamedTuple):
    """A finding: its verdict, its name, a text, and its figures for the JSON object."""

    verdict: str
    name: str
    text: str
    figures: dict[str, Any]


@dataclass
class Bench:
    """What each part gets.

    Attributes:
        device: the one that is measured.
        tiny: as small as it runs, to try the benchmark itself.
        ends: the time (`time.monotonic`) from which on a part leaves out what it can.
        pipe: to the process that prints.
    """

    device: torch.device
    tiny: bool
    ends: float
    pipe: Connection

    @property
    def on_cuda(self) -> bool:
        return self.device.type == "cuda"

    def left(self) -> float:
        """Return the seconds that the part still has."""
        return self.ends - time.monotonic()

    def check(self, name: str, is_right: bool, text: str, **figures: Any) -> None:
        """Report a finding that is right or wrong."""
        self.pipe.send(Line(PASS if is_right else FAIL, name, text, figures))

    def note(self, name: str, text: str, **figures: Any) -> None:
        """Report a finding that cannot be wrong."""
        self.pipe.send(Line(NOTE, name, text, figures))
