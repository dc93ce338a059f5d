"""Checks of what a segmenter says, and frames to ask it about."""

import cv2
import numpy as np

from objabn.segmentation.segmenters.instances import Instances
from objabn.stores.masks import GRID


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).uniform(60, 190, (height // 8, width // 8, 3)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 255)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def check_contract(instances: Instances) -> None:
    n = len(instances.scores)
    assert instances.masks.shape == (n, GRID, GRID)
    assert instances.masks.dtype == bool
    assert instances.scores.shape == (n,)
    assert instances.scores.dtype == np.float32
    assert instances.classes.shape == (n,)
    assert instances.classes.dtype.kind == "U"
    assert instances.boxes.shape == (n, 4)
    assert instances.boxes.dtype == np.float32
    assert ((instances.scores >= 0) & (instances.scores <= 1)).all()
    assert (np.diff(instances.scores) <= 0).all()
    assert ((instances.boxes >= 0) & (instances.boxes <= 1)).all()
    assert (instances.boxes[:, :2] <= instances.boxes[:, 2:]).all()
