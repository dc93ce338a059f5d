"""Videos that are made by several processes: the same files as by one, and each fault in a line."""

import hashlib
from pathlib import Path

import pytest

from objabn.synthetic.scenes import make_scene
from objabn.synthetic.synthesize import write_videos


def scenes(number: int) -> list:
    settings = {"height": 48, "width": 64, "figure_size": 0.58, "min_frames": 6, "max_frames": 8}
    return [
        (f"walk_{seed}", "walk", "train", make_scene("walk", seed=seed, split="train", number=0, **settings))
        for seed in range(number)
    ]


def written(folder: Path, workers: int) -> dict[str, str]:
    """Digests of all files, by path."""
    for name in ("videos", "truth"):
        (folder / name).mkdir(parents=True)
    rows = write_videos(scenes(3), folder / "videos", folder / "truth", workers=workers)
    assert [row["video"] for row in rows] == [f"walk/walk_{seed}" for seed in range(3)]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_processes_write_the_files_of_one(tmp_path: Path) -> None:
    one = written(tmp_path / "one", 1)
    assert len([name for name in one if name.endswith(".mp4")]) == 3
    assert written(tmp_path / "two", 2) == one


@pytest.mark.parametrize("workers", [1, 2])
def test_a_fault_of_a_process_is_that_of_the_disk(tmp_path: Path, workers: int) -> None:
    (tmp_path / "videos").write_text("a file where a directory has to be")
    (tmp_path / "truth").mkdir()
    with pytest.raises(NotADirectoryError) as raised:
        write_videos(scenes(2), tmp_path / "videos", tmp_path / "truth", workers=workers)
    assert raised.value.filename == str(tmp_path / "videos/walk")
