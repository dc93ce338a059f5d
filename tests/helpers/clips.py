"""Data sets of videos made by hand, for audits: stores of square frames that a clip shows whole."""

from pathlib import Path

import numpy as np

from objabn.clips.dataset import ClipDataset, open_split
from objabn.config.schema import Dataset
from objabn.stores.array import StoreWriter
from tests.helpers.truth import truth_of

SIZE, GRID, FRAMES = 32, 4, 8  # pixels a side; cells a side, of 8 pixels; frames a video, every second in a clip


def parameters(synthetic: Dataset, views: int = 1) -> Dataset:
    """Parameters of clips that are whole frames: 4 of 8, 32 x 32 pixels; batches of 3."""
    data = {"num_frames": 4, "frame_stride": 2, "crop": SIZE, "short_side_min": SIZE, "short_side_max": SIZE,
            "short_side_eval": SIZE}  # fmt: skip
    return synthetic.model_copy(
        update={
            "data": synthetic.data.model_copy(update=data),
            "eval": synthetic.eval.model_copy(update={"batch_size": 3, "views": views}),
            "train": synthetic.train.model_copy(update={"accelerator": "cpu"}),
        }
    )


def five_videos() -> dict[str, tuple[str, np.ndarray, np.ndarray]]:
    """Five videos of random frames, labels a, b and c, a square object in the middle; for `write_stores`."""
    draw, videos = np.random.default_rng(0), {}
    for number in range(5):
        frames, cells = draw.integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8), np.zeros((FRAMES, 4, 4), bool)
        cells[:, 1:3, 1:3] = True
        videos[f"v{number}"] = ("abc"[number % 3], frames, cells)
    return videos


def write_stores(folder: Path, videos: dict[str, tuple[str, np.ndarray, np.ndarray]], *, split: str = "test") -> None:
    """Stores `frames` and `masks` of videos: by name the label, frames uint8 (8, 32, 32, 3), masks bool (8, n, n)."""
    writers = {}
    for name, shape in (("frames", (SIZE, SIZE, 3)), ("masks", (2, 128, 128))):
        (folder / name).mkdir(parents=True)
        writers[name] = StoreWriter(folder / name, shape, frames_per_shard=64)
    for video, (label, frames, masks) in videos.items():
        row = {"path": f"{video}.mp4", "label": label, "split": split, "status": "ok", "height": 64, "width": 64}
        writers["frames"].append(frames, video=video, **row)
        planes = np.zeros((len(frames), 2, 128, 128), np.uint8)
        each = 128 // masks.shape[1]
        planes[:, 0] = 255 * masks.repeat(each, axis=1).repeat(each, axis=2)
        writers["masks"].append(planes, video=video)
    for writer in writers.values():
        writer.close()


def open_made(folder: Path, params: Dataset, class_names: list[str], *, truth: bool = True) -> ClipDataset:
    """Test clips of such stores; their masks are the truth too."""
    own = truth_of(folder / "masks", params.mask.groups, params.mask.score_threshold)
    return open_split("test", params, folder / "frames", folder / "masks", seed=0, evaluation=params.eval,
                      truth=own if truth else None, class_names=class_names)  # fmt: skip


def write_random(folder: Path, number: int, classes: str, *, frames: int = FRAMES, least: int = 0) -> Path:
    """Stores of videos of random frames, of the classes in turn; the same each time. Returns their folder.

    Args:
        classes: a letter each.
        least: the darkest value of a pixel.
    """
    draw, videos = np.random.default_rng(0), {}
    for at in range(number):
        pixels = draw.integers(least, 256, (frames, SIZE, SIZE, 3), dtype=np.uint8)
        videos[f"v{at}"] = (classes[at % len(classes)], pixels, np.ones((frames, 4, 4), bool))
    write_stores(folder, videos)
    return folder
