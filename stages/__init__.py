"""The pipeline's stages: parse arguments, load parameters, call `objabn`, write outputs. Only they know file paths.

`python -m stages.<stage> --help`
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """Where a data set's files are, relative to the repository's root."""

    dataset: str

    @property
    def index(self) -> Path:
        return Path("data") / self.dataset / "index.csv"

    @property
    def frames(self) -> Path:
        return Path("data") / self.dataset / "frames"

    @property
    def masks(self) -> Path:
        return Path("data") / self.dataset / "masks"

    @property
    def segment_report(self) -> Path:
        return Path("results") / self.dataset / "segment.json"

    def run(self, attention: str, pc: bool, seed: int) -> Path:
        return Path("runs") / self.dataset / attention / f"pc-{str(pc).lower()}" / f"seed-{seed}"

    def timing(self, attention: str, pc: bool, seed: int) -> Path:
        """Beside the runs, not in them: nothing that a later stage depends on may hold a time."""
        return Path("runs") / self.dataset / "timing" / f"{attention}-pc-{str(pc).lower()}-seed-{seed}.json"

    def result(self, attention: str, pc: bool) -> Path:
        return Path("results") / self.dataset / attention / f"pc-{str(pc).lower()}.json"

    def picture(self, attention: str, pc: bool) -> Path:
        return Path("reports") / self.dataset / f"{attention}-pc-{str(pc).lower()}.png"

    def table(self, suffix: str) -> Path:
        return Path("tables") / f"{self.dataset}.{suffix}"


def run_stage(main: Callable[[], None]) -> None:
    """Runs a stage; a fault of the input is its message on stderr and exit status 2, not a traceback."""
    try:
        main()
    except (ValueError, OSError) as error:
        print(
            f"{main.__module__ if main.__module__ != '__main__' else Path(sys.argv[0]).stem}: {error}", file=sys.stderr
        )
        sys.exit(2)
