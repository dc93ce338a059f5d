"""Trainings in processes that can be killed."""

import shutil
import time
from pathlib import Path

from tests.helpers.checkout import Checkout, Process, wait_for
from tests.helpers.clones import edit_params

ROW = ["synthetic", "--attention", "mha", "--pc", "true", "--seed", "3"]
RUN = "runs/synthetic/mha/pc-true/seed-3"


class Training(Checkout):
    """A directory where `python -m stages.train` runs, on frames and masks that are made once."""

    def start(self, module: str = "stages.train", *arguments: str) -> Process:
        return super().start(module, *(arguments or ROW))

    def run(self) -> str:  # type: ignore[override]
        """Runs to the end; what it printed."""
        return printed(self.start())

    def content(self) -> dict[str, bytes]:
        return {name: (self.folder / RUN / name).read_bytes() for name in ("model.safetensors", "curves.csv")}

    def kill_after(self, checkpoints: int, seconds: float = 0.0) -> int:
        """Starts one and kills it after so many checkpoints and seconds; its exit status."""
        process, seen = self.start(), {stamp(path) for path in self.units()}

        def enough() -> bool:
            seen.update(stamp(path) for path in self.units())
            return len(seen - before) >= checkpoints or process.poll() is not None

        before = set(seen)
        wait_for(enough)
        time.sleep(seconds)
        process.kill()
        process.communicate()
        return process.returncode

    def forget(self) -> "Training":
        for path in (self.cache.root, self.folder / "runs"):
            shutil.rmtree(path, ignore_errors=True)
        return self


def printed(process: Process) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    return out


def new_checkout(folder: Path, made: Path) -> Training:
    checkout = Training(folder)
    edit_params(folder, use_tiny)
    shutil.copytree(made, folder / "data")
    return checkout


def use_tiny(values: dict) -> None:
    """A network that trains in seconds, a checkpoint after every batch."""
    block = values["datasets"]["synthetic"]
    block["data"].update(num_frames=4, crop=32, short_side_min=32, short_side_max=36, short_side_eval=32)
    block["model"].update(pretrained=None, frozen=None, attention_depth=1, attention_channels=8, dropout=0.5)
    block["train"].update(epochs=4, batch_size=2, accelerator="cpu")
    block["machine"].update(checkpoint_minutes=1e-6)


def stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
