"""Small trainings: parameters, and the splits of a data set of stores."""

from pathlib import Path

import numpy as np

from objabn.clips.dataset import ClipDataset, open_split
from objabn.config.schema import Dataset
from objabn.stores.array import StoreWriter
from tests.helpers.truth import truth_of

BLOCK = {
    "videos": "videos",
    "truth": None, "published": None,
    "decode": {
        "height": 32, "width": 40, "codec": "zstd", "quality": 95,
        "store": True, "stride": 1, "frames_per_shard": 64,
    },
    "segment": {"backend": "motion", "stride": 1, "threshold": 25.0, "min_area": 0.002},
    "data": {
        "num_frames": 4, "frame_stride": 2, "crop": 32,
        "short_side_min": 32, "short_side_max": 36, "short_side_eval": 32, "pad": "last", "flip": 0.5, "colour": 0.0,
    },
    "mask": {"score_threshold": 0.5, "groups": ["person", "other"], "resize": "nearest", "time": "max"},
    "model": {
        "backbone": "x3d",
        "width_factor": 1.0, "depth_factor": 1.0, "split": "res3", "pretrained": None, "frozen": None,
        "attention_depth": 1, "attention_channels": 8, "attention_convs": 3, "attention_gamma": 0.0,
        "class_pool": "mean", "feature_pool": "mean", "mixer_bias": True,
        "attention_apply": "multiply", "mha_init": "default", "foreground_prior": 0.5, "dropout": 0.5,
    },
    "loss_weights": {
        "attention": 1.0, "background": 1.0, "mask": 10.0, "mha": 10.0, "pc": 1e-4, "pc1": 1.0, "pc2": 1e-3,
        "even": 0.0,
    },
    "train": {
        "epochs": 2, "share": 1.0, "batch_size": 4, "accumulate": 1, "lr": 1e-3, "new_layers_lr": None,
        "schedule": "constant",
        "centroid_std": 1.0, "centroid_lr": None, "push_centroid_lr": None, "weight_decay": 0.0,
        "pc_norm": "l2", "pc_centroids": "one", "pc_between": True, "report": "last", "threads": None,
        "devices": 1, "nodes": 1, "sync_batchnorm": False,
        "accelerator": "cpu", "precision": "32-true", "depthwise": "auto", "compile": False, "deterministic": False,
    },
    "eval": {
        "start": "centre", "views": 1, "batch_size": 3,
        "flat_range": 0.05, "entropy_bins": 10, "entropy_size": None, "ranking_videos": 2, "ranking_seeds": "first",
        "camera": "still",
    },
    "gradcam": {"layer": "res5"},
    "machine": {
        "decode_workers": None, "decode_timeout_sec": 60.0, "max_failed": 0.0, "segment_engine": "local",
        "segment_workers": None, "loader_workers": 0, "checkpoint_minutes": 10,
    },
}  # fmt: skip
PARAMS = Dataset.model_validate(BLOCK)


def split(stores: Path, name: str, params: Dataset = PARAMS) -> ClipDataset:
    truth = truth_of(stores / "truth") if name == "test" else None
    evaluation = None if name == "train" else params.eval
    return open_split(name, params, stores / "frames", stores / "masks", seed=0, evaluation=evaluation, truth=truth)


def changed(**blocks: dict) -> Dataset:
    return Dataset.model_validate({**BLOCK, **{name: {**BLOCK[name], **block} for name, block in blocks.items()}})


def write_stores(folder: Path) -> Path:
    """`frames`, `masks` and `truth` of 8 training and 5 test videos of 3 classes."""
    draw = np.random.default_rng(0)
    writers = {}
    for name, shape in (("frames", (32, 40, 3)), ("masks", (2, 128, 128)), ("truth", (2, 128, 128))):
        (folder / name).mkdir()
        writers[name] = StoreWriter(folder / name, shape, frames_per_shard=64)
    for number in range(13):
        split, label = ("train" if number < 8 else "test"), "abc"[number % 3]
        row = {"video": f"v{number}", "label": label, "split": split, "status": "ok", "height": 64, "width": 80}
        writers["frames"].append(draw.integers(0, 256, (10, 32, 40, 3), dtype=np.uint8), **row)
        planes = np.zeros((10, 2, 128, 128), np.uint8)
        planes[:, 0, 32:96, 32:96] = 255
        writers["masks"].append(planes, video=f"v{number}")
        writers["truth"].append(planes, video=f"v{number}")
    for writer in writers.values():
        writer.close()
    return folder
