"""A made-up run: results, maps and stores of a few rows, and the report's page of it."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from objabn.config.schema import Dataset
from objabn.evaluation.kept_maps import KeptMaps
from objabn.report.answers import answers
from objabn.report.comparison import Masks
from objabn.report.names import Row
from objabn.report.page.gallery import Stores, make_gallery
from objabn.report.page.page import render
from objabn.report.page.plots import all_plots
from tests.helpers.comparisons import made_comparison
from tests.helpers.truth import AllKnown, truth_of

EVIL = '<script>alert("x")</script>'
CLASSES = [EVIL, "it's & \"quoted\" 'twice'", "walk"]
ROWS: dict[Row, str] = {Row("plain", False): "g", Row("abn", False): "u", Row("mha", True): "uob"}
VIDEOS, FRAMES, GRID = 12, 4, 5
# Notes of a row of a network from elsewhere, as `training_notes` gives them.
NOT_TRAINED = {
    "network": {"spec": "torchvision:r3d_18", "weights": None, "labels": None, "layer": "layer4", "split": "layer3"},
    "versions": {"torch": "1.0", "torchvision": "0.1"}, "curves": {}, "epochs": {}, "networks": 1,
}  # fmt: skip
_OF_MAPS = ("entropy", "flat", "iou", "pointing", "insertion", "deletion")


class Pixels:
    """A reader whose entries differ by video and frame."""

    def __init__(self, shape: tuple[int, ...], binary: bool = False) -> None:
        self._shape, self._binary = shape, binary

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        draw = np.random.default_rng(sum(video.encode()))
        entries = draw.integers(0, 256, (64, *self._shape), np.uint8)[indices]
        return np.where(entries > 127, 255, 0).astype(np.uint8) if self._binary else entries

    def read_all(self, video: str) -> np.ndarray:
        return self.read(video, np.arange(64))


def video_ids(classes: list[str] = CLASSES, number: int = VIDEOS) -> list[str]:
    return [f"{classes[at % len(classes)]}/v{at:02d}" for at in range(number)]


def results(
    row: Row,
    letters: str,
    ids: list[str],
    *,
    truth: bool,
    flat: bool,
    classes: list[str],
    seeds: list[int],
    methods: bool = False,
) -> pd.DataFrame:
    """A line a video and seed; every fourth video is predicted wrongly.

    Args:
        methods: with Grad-CAM's maps of every row, maps replaced, and insertion and deletion.
    """
    letters += "g" * (methods and "g" not in letters)
    draw = np.random.default_rng(sum(row[0].encode()) + row[1])
    tables = []
    for seed in seeds:
        labels = [each.rsplit("/", 1)[0] for each in ids]
        predicted = [classes[(classes.index(label) + (at % 4 == 3)) % len(classes)] for at, label in enumerate(labels)]
        top1 = [int(one == other) for one, other in zip(labels, predicted, strict=True)]
        table = pd.DataFrame({"video": ids, "label": labels, "predicted": predicted, "top1": top1, "seed": seed})
        for letter in letters:
            entropy = np.full(len(ids), np.nan) if flat else draw.uniform(0.5, 3, len(ids))
            table[f"entropy_{letter}"] = entropy
            table[f"entropy_object_{letter}"] = entropy
            table[f"flat_share_object_{letter}"] = float(flat)
            table[f"iou_fit_{letter}"] = draw.uniform(size=len(ids))
            if truth:
                table[f"iou_truth_{letter}"] = draw.uniform(size=len(ids))
                table[f"pointing_{letter}"] = draw.uniform(size=len(ids))
        if methods:
            table["object_area"] = np.linspace(0.05, 0.3, len(ids))
            table["insertion_random"], table["deletion_random"] = draw.uniform(size=(2, len(ids)))
            for letter in letters.replace("b", ""):
                table[f"insertion_{letter}"], table[f"deletion_{letter}"] = draw.uniform(size=(2, len(ids)))
            if letters != "g":
                table["top1_attention"], table["top1_even"], table["top1_other"], table["top1_masks"] = draw.integers(
                    0, 2, (4, len(ids))
                )
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def maps(letters: str, videos: list[str], flat: bool = False) -> KeptMaps:
    draw = np.random.default_rng(sum(letters.encode()))
    shape = (len(videos), len(letters), FRAMES, GRID, GRID)
    cells = np.full(shape, 128, np.uint8) if flat else draw.integers(0, 256, shape, np.uint8)
    frames = np.tile(np.arange(FRAMES) * 2 + 1, (len(videos), 1))
    boxes = np.tile(np.array([0.125, 0, 0.875, 1], np.float32), (len(videos), 1))
    return KeptMaps(np.array(videos), np.array(list(letters)), cells, frames, boxes)


def numbers(table: pd.DataFrame, seeds: list[int]) -> dict[str, float]:
    """A row's numbers, under the names of `made_comparison`."""
    found: dict[str, float] = {"top5": 100.0}
    for name in ("top1", *(each for each in table if each.startswith(_OF_MAPS))):
        means = table.groupby("seed")[name].mean() * (100 if name == "top1" else 1)
        if means.notna().any():
            found[name] = float(means.mean())
            if len(seeds) > 1:
                found[f"{name}_std"] = float(means.std(ddof=1))
    return found


def page(
    folder: Path,
    dataset: Dataset,
    *,
    rows: dict[Row, str] = ROWS,
    truth: bool = True,
    published: str | None = None,
    flat: bool = False,
    classes: list[str] = CLASSES,
    seeds: tuple[int, ...] = (0,),
    lost: bool = False,
    num_videos: int = VIDEOS,
    methods: bool = False,
    segmenter: dict | None = None,
    elsewhere: Row | None = None,
) -> str:
    """The page of a made-up run; `folder` is where its picture of masks is drawn.

    Args:
        elsewhere: a row that was not trained here.
    """
    dataset = dataset.model_copy(update={"published": published, "truth": truth_of(Path("truth")) if truth else None})
    own, ids = list(seeds), video_ids(classes, num_videos)
    per_video = {
        row: results(row, letters, ids, truth=truth, flat=flat, classes=classes, seeds=own, methods=methods)
        for row, letters in rows.items()
    }
    kept = {row: maps(letters, ids, flat) for row, letters in rows.items()}
    planes = Pixels((2, 128, 128), binary=True)
    stores = Stores(Pixels((24, 32, 3)), planes, AllKnown(planes) if truth else None)
    gallery, left_out = make_gallery(per_video, kept, own[0], stores, dataset)
    epochs = {"epoch": [1.0, 2.0], "loss": [2.0, 1.0], "train_top1": [50.0, 60.0], "val_top1": [40.0, 70.0]}
    labels = [classes[at % len(classes)] for at in range(len(ids))]
    videos = pd.DataFrame({"video": ids, "label": labels, "split": "test", "status": "ok", "error": "", "frames": 64})
    if lost:
        videos.loc[0, ["status", "error", "frames"]] = ["failed", f"0 bytes {EVIL}", 0]
        videos.loc[1, ["status", "error"]] = ["truncated", "cut off"]
    quality = videos[["video", "split", "frames"]].assign(instances_per_frame=1.0, empty_share=0.25, person_share=0.5)
    report = {"frames": 768.0, "instances_per_frame": 1.0, "empty_share": 0.25, "person_share": 0.5}
    if truth:
        quality["iou_truth"] = np.linspace(0.9, 0.3, len(quality))
        report["iou_truth"] = 0.6
    Image.new("RGB", (40, 30), "orange").save(folder / "masks.png")
    notes = {"versions": {"torch": "2.0"}, "curves": {str(seed): epochs for seed in own}}
    comparison = made_comparison(
        {row: numbers(table, own) for row, table in per_video.items()},
        name='made "up"',
        params=dataset,
        published=published,
        seeds=own,
        per_video=per_video,
        trainings={row: NOT_TRAINED if row == elsewhere else notes for row in rows},
        masks=Masks(report, quality, folder / "masks.png", segmenter),
        videos=videos,
    )
    return render(comparison, answers(comparison), all_plots(comparison), gallery, left_out)
