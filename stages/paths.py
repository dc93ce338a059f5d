"""Where the pipeline's files are. Only stages know file paths."""

from dataclasses import dataclass
from pathlib import Path

from objabn.config.rows import LOSSES


@dataclass(frozen=True)
class Paths:
    """Where a data set's files are, relative to the repository's root."""

    dataset: str

    def data(self, name: str) -> Path:
        """index.csv, videos, truth, frames, masks or networks."""
        return Path("data") / self.dataset / name

    def trained_on(self, *others: Path) -> list[Path]:
        """Files whose digests a run's record has: the data set's, and those of the others that are there."""
        own = [self.data("index.csv"), self.data("frames") / "videos.csv", self.data("masks") / "instances.parquet"]
        return [*own, *(path for path in others if path.is_file())]

    @property
    def segment_report(self) -> Path:
        """Beside it a table, `.csv`, with a row for each video."""
        return Path("results") / self.dataset / "segment.json"

    @property
    def mask_picture(self) -> Path:
        return Path("reports") / self.dataset / "masks.png"

    def run(self, row: str, seed: int, fold: str | None = None, below: str = "runs") -> Path:
        """The run of a seed, which with folds holds a directory a fold; below `trackers` what trackers write of it."""
        whole = Path(below) / self.dataset / row / f"seed-{seed}"
        return whole / fold if fold else whole

    def timing(self, row: str, seed: int, fold: str | None = None) -> Path:
        """Beside the runs, not in them: nothing that a later stage depends on may hold a time."""
        return Path("runs") / self.dataset / "timing" / f"{_flat(row, seed, fold)}.json"

    def lock(self, row: str, seed: int, fold: str | None = None) -> Path:
        """An empty directory to hold while a run is made: the run's own is replaced, and a row's is all its seeds'."""
        return Path("runs") / self.dataset / "locks" / _flat(row, seed, fold)

    def result(self, row: str) -> Path:
        """A row's numbers. Beside them `.parquet` (each video), `.npz` (maps of some) and `.training.json`."""
        return Path("results") / self.dataset / f"{row}.csv"

    def audit(self, row: str) -> Path:
        """With `.parquet` and `.curves.csv`. Not below `results`, on all of which `compare` depends."""
        return Path("audits") / self.dataset / f"{row}.csv"

    def picture(self, row: str) -> Path:
        """The maps of a row, over frames."""
        return Path("reports") / self.dataset / "maps" / f"{row.replace('/', '-')}.png"

    @property
    def map_groups(self) -> Path:
        """What is measured of the maps of each class and size, beside the pictures."""
        return Path("reports") / self.dataset / "maps" / "groups.csv"

    def table(self, suffix: str, of: str = "") -> Path:
        return Path("tables") / f"{self.dataset}{of}.{suffix}"


def _flat(row: str, seed: int, fold: str | None) -> str:
    """A run's name as one file name."""
    return "-".join([row.replace("/", "-"), f"seed-{seed}", *([fold] if fold else [])])


def row_path(name: str, pc: bool) -> str:
    """Where a row stands below a data set's runs and results; `name` is an attention, or else a control's."""
    return f"{name}/pc-{str(pc).lower()}" if name in LOSSES else f"controls/{name}"
