"""A checkout whose stages run in processes that can be killed."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from objabn.stores.array import StoreWriter
from objabn.system.cache import Cache
from tests.helpers.clones import edit_params, environment, hear_ctrl_c

ROOT = Path(__file__).parents[2]
STORE = "data/synthetic/masks"
OUTPUTS = ("results/synthetic/segment.json", "results/synthetic/segment.csv", "reports/synthetic/masks.png")

Process = subprocess.Popen


class Checkout:
    """A directory where `python -m stages.segment synthetic` runs on decoded frames, with a side cache of its own."""

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        self.folder, self.cache = folder, Cache(cache or folder / "side")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / "params.yaml", folder)
        edit_params(folder, use_motion)

    def frames(self, numbers: range, num_frames: int = 20) -> "Checkout":
        write_frames(self.folder / "data/synthetic/frames", numbers, num_frames)
        return self

    def start(self, module: str = "stages.segment", *arguments: str) -> Process:
        # It holds what a stage needs and no more: what later ones need is not asked for.
        variables = {**environment(self.cache.root), "PYTHONPATH": str(ROOT), "OBJABN_CHECK": "off"}
        command = [sys.executable, "-m", module, *(arguments or ("synthetic",))]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=variables, preexec_fn=hear_ctrl_c, **pipes)

    def run(self) -> tuple[int, int]:
        """Runs to the end; how many videos were segmented and found."""
        return counted(self.start())

    def units(self) -> list[Path]:
        return sorted(entry.path for entry in self.cache.units())

    def content(self) -> dict[str, bytes]:
        """All outputs."""
        found = {path: (self.folder / path).read_bytes() for path in OUTPUTS}
        store = self.folder / STORE
        return found | {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}

    def strays(self) -> set[Path]:
        return {path for root in (self.folder, self.cache.root) for path in root.rglob("*") if "partial" in path.name}

    def forget(self) -> "Checkout":
        """As before the first run."""
        for path in (self.cache.root, self.folder / STORE, self.folder / "results", self.folder / "reports"):
            shutil.rmtree(path, ignore_errors=True)
        return self


def counted(process: Process) -> tuple[int, int]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    counts = re.search(r"^(\d+) videos segmented, (\d+) found in the side cache$", out, re.MULTILINE)
    assert counts, out + err
    return int(counts[1]), int(counts[2])


def wait_for(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def runs(process: int) -> bool:
    """Whether a process is there and not a zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def write_frames(folder: Path, numbers: range, num_frames: int, splits: tuple[str, str] = ("train", "test")) -> None:
    """A frame store in which a bright square crosses each video; videos of even numbers are of the first split."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    writer = StoreWriter(folder, (48, 64, 3), frames_per_shard=64)
    for number in numbers:
        rng = np.random.default_rng(number)
        frames = np.repeat(rng.integers(40, 120, (1, 48, 64, 3), dtype=np.uint8), num_frames, axis=0)
        top, colour = rng.integers(0, 30), rng.integers(180, 255, 3)
        for at, frame in enumerate(frames):
            left = at * 46 // num_frames
            frame[top : top + 18, left : left + 14] = colour
        row = {"path": f"{number}.mp4", "label": f"class{number % 3}", "split": splits[number % 2]}
        row |= {"digest": f"digest of {number}", "status": "ok", "error": "", "height": 48, "width": 64}
        writer.append(frames, video=f"v{number:03}", **row)
    writer.close()


def use_motion(values: dict) -> None:
    """Masks in little time, and no truth that has to fit."""
    block = values["datasets"]["synthetic"]
    block.update(
        segment={"backend": "motion", "stride": 1, "threshold": 25.0, "min_area": 0.002},
        truth=None,
    )
    block["mask"]["groups"] = ["person", "other"]
