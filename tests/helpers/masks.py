"""Masks and a table of videos whose quality is known."""

import os
import signal
from functools import partial
from pathlib import Path

import numpy as np
import torch

from objabn.segmentation.segment import Compute, compute_missing
from objabn.segmentation.segmenters.instances import Instances
from objabn.stores.array import StoreReader
from objabn.stores.masks import GRID
from objabn.system.cache import Cache

LENGTHS = {"a": 4, "failed": 0, "c": 3}


def found(frames: np.ndarray, _video: str) -> list[Instances]:
    """A person at the left (score 0.9), and a dog at the right (0.8; in `a` 0.3); in frame 0 of `c` the dog alone."""
    masks = np.zeros((2, GRID, GRID), bool)
    masks[0, :, :32] = masks[1, :, 96:] = True
    classes, boxes = np.array(["person", "dog"]), np.array([[0, 0, 0.25, 1], [0.75, 0, 1, 1]], np.float32)
    is_c = len(frames) == LENGTHS["c"]
    scores = np.array([0.9, 0.8 if is_c else 0.3], np.float32)
    instances = Instances(masks, scores, classes, boxes)
    only_dog = Instances(masks[1:], scores[1:], classes[1:], boxes[1:])
    return [only_dog if is_c and number == 0 else instances for number in range(len(frames))]


def make_compute(folder: Path, fault: str = "", *, overlap: bool = False) -> Compute:
    """As `segment.make_compute` with `found`; notes videos, processes and their threads in `log`.

    Args:
        folder: with `frames`, a store; `cache` is made.
        fault: of the video d: "killed", "killed once" or "fault".
    """
    killed = folder / "killed"

    def segment(frames: np.ndarray, video: str) -> list[Instances]:
        with open(folder / "log", "a") as log:
            log.write(f"{video} {os.getpid()} {torch.get_num_threads()}\n")
        if video == "d" and (fault == "killed" or (fault == "killed once" and not killed.exists())):
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if video == "d" and fault == "fault":
            raise ValueError("weights.pth: no such file")
        return found(frames, video)

    frames, cache = StoreReader(folder / "frames"), Cache(folder / "cache")
    return partial(compute_missing, frames=frames, segmenter=segment, cache=cache, overlap=overlap)
