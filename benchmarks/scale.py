"""What it costs to have many videos: DVC's commands when there is nothing to do, and the index's memory.

python -m benchmarks.scale

Each project is a copy of this checkout's pipeline with made data of the size of UCF101 or Something-Something v2: an
index.csv, a table of videos, stores of as many files as the real ones, in which a frame is one pixel. All other outputs
are made files, too; `dvc commit` then writes a dvc.lock as if everything had run.
"""

import argparse
import gc
import json
import os
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from dvc.repo import Repo

from objabn.clips.dataset import ClipDataset, open_split
from objabn.config.file import load_params
from objabn.index.table import COLUMNS, write_index
from objabn.stores.array import StoreWriter
from objabn.stores.masks import FRAMES_PER_SHARD
from objabn.stores.table import TABLE

ROOT = Path(__file__).parents[1]
SIZES = {"ucf101": (13_320, 2_484_000), "ssv2": (220_000, 9_400_000)}  # videos and frames
COPIED = [
    "objabn", "stages", "data/video-groups", "dvc.yaml", "params.yaml", ".dvcignore", ".gitignore", ".dvc/config",
    ".dvc/.gitignore",
]  # fmt: skip
COMMANDS = {"dvc status": ["status"], "dvc repro": ["repro"], "dvc exp run": ["exp", "run"]}
MB = 2**20


def make_table(num_videos: int, num_frames: int) -> pd.DataFrame:
    """A table of videos as `decode` leaves it; ids, labels and paths as long as Something-Something's."""
    number = np.arange(num_videos)
    lengths = np.full(num_videos, num_frames // num_videos) + (number < num_frames % num_videos)
    ids = pd.Series(number).astype(str).str.zfill(6)
    table = pd.DataFrame({"video": ids, "path": ids + ".webm"})
    table["label"] = [f"Pretending to put something number {each % 174} next to something" for each in number]
    table["split"] = np.where(number % 9, "train", "test")
    table["bytes"] = 90_000
    table["digest"] = [f"{each:032x}" for each in number]
    table = table.assign(status="ok", error="", decoder="decord", container_frames=lengths, fps=12.0)
    return table.assign(height=240, width=427, offset=lengths.cumsum() - lengths, frames=lengths)


def make_store(path: Path, table: pd.DataFrame, item_shape: tuple[int, ...], frames_per_shard: int) -> None:
    """A store with the real number of shards; its frames, all zero, are appended as one video."""
    path.mkdir(parents=True)
    writer = StoreWriter(path, item_shape, frames_per_chunk=1024, frames_per_shard=frames_per_shard)
    left = int(table["frames"].sum())
    while left:
        number = min(left, frames_per_shard)
        writer.append(np.zeros((number, *item_shape), np.uint8), video="all")
        left -= number
    writer.close()
    table.to_csv(path / TABLE, index=False, lineterminator="\n")


def git(project: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=project, check=True, capture_output=True)


def dvc(project: Path, *arguments: str) -> str:
    names = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
    environment = {**os.environ, **{f"GIT_{name}": "benchmark@example.org" for name in names}}
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"dvc {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def make_project(project: Path, dataset: str) -> None:
    """A repository in which everything has run."""
    for name in COPIED:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, project / name)
    text = (project / "params.yaml").read_text().replace("\ndataset: synthetic ", f"\ndataset: {dataset} ", 1)
    (project / "params.yaml").write_text(text)
    table = make_table(*SIZES[dataset])
    data = project / "data" / dataset
    write_index(table[COLUMNS], data / "index.csv")
    shard = load_params(project / "params.yaml").datasets[dataset].decode.frames_per_shard
    make_store(data / "frames", table, (1, 1, 3), shard)
    make_store(data / "masks", table[["video", "offset", "frames"]], (2, 1, 1), FRAMES_PER_SHARD)
    git(project, "init", "-q")
    for number in range(448):  # the embedded data's videos
        made = project / f"data/synthetic/videos/{number % 8}/{number}.mp4"
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(str(number))
    for out in Repo(str(project)).index.outs:
        made = Path(out.fs_path)
        if made.suffix:
            made.parent.mkdir(parents=True, exist_ok=True)
            made.write_text("{}\n" if made.suffix == ".json" else f"{made.name}\n")
        elif not made.exists():
            made.mkdir(parents=True)
            (made / "made").write_text(f"{made}\n")
    dvc(project, "commit", "--force")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "made")


def private() -> float:
    """Memory of this process that it shares with no other, MB."""
    gc.collect()
    return psutil.Process().memory_full_info().uss / MB


def touch(dataset: ClipDataset) -> None:
    """Reads one item of ten: the others lie in the same pages of memory."""
    for number in range(0, len(dataset), 10):
        dataset[number]


def forked(dataset: ClipDataset, answers: Any) -> None:
    before = private()
    touch(dataset)
    answers.put(private() - before)


def spawned(folder: Path, answers: Any) -> None:
    before = private()
    dataset = pickle.loads((folder / "dataset.pickle").read_bytes())
    touch(dataset)
    answers.put(private() - before)


def memory(project: Path, name: str) -> dict[str, float]:
    """Seconds to open the train split, and MB of its index in this process and more of it in a worker."""
    params, data = load_params(project / "params.yaml").datasets[name], project / "data" / name
    before, began = private(), time.perf_counter()
    dataset = open_split("train", params, data / "frames", data / "masks", seed=0)
    measured = {"open split, s": time.perf_counter() - began, "index in parent, MB": private() - before}
    (project / "dataset.pickle").write_bytes(pickle.dumps(dataset))
    for start, work in (("fork", forked), ("spawn", spawned)):
        context = get_context(start)
        answers = context.Queue()
        process = context.Process(target=work, args=(dataset if start == "fork" else project, answers))
        process.start()
        measured[f"in a {start} more, MB"] = answers.get()
        process.join()
    return measured


def measure(project: Path, name: str, repeats: int) -> dict[str, float]:
    """All figures of a project, by what they are."""
    found: dict[str, float] = {}
    for store in ("frames", "masks"):
        files = (project / "data" / name / store).rglob("*")
        found[f"files of {store}"] = sum(path.is_file() for path in files)
    for label, arguments in COMMANDS.items():
        seconds = []
        for _ in range(repeats):
            began = time.perf_counter()
            said = dvc(project, *arguments)
            seconds.append(time.perf_counter() - began)
            assert "Running stage" not in said, said
            assert "up to date" in said or "didn't change" in said, said
        found[f"{label}, s"] = statistics.median(seconds)
    return found | memory(project, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="of which the median counts (default: 3)")
    parser.add_argument("--datasets", nargs="+", choices=SIZES, default=list(SIZES), help="(default: both)")
    args = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    for name in args.datasets:
        with tempfile.TemporaryDirectory() as folder:
            make_project(Path(folder), name)
            results[name] = measure(Path(folder), name, args.repeats)
    print(f"{'':<20}" + "".join(f"{name:>12}" for name in results))
    print(f"{'videos':<20}" + "".join(f"{SIZES[name][0]:>12,}" for name in results))
    for label in results[args.datasets[0]]:
        print(f"{label:<20}" + "".join(f"{found[label]:>12,.1f}" for found in results.values()))
    print(json.dumps({name: {key: round(value, 2) for key, value in found.items()} for name, found in results.items()}))


if __name__ == "__main__":
    main()
