"""Puppet masks as J-HMDB has them."""

from pathlib import Path

import numpy as np
from scipy.io import savemat


def write_puppets(folder: Path, clip: str, masks: np.ndarray, **variables: np.ndarray) -> Path:
    """The file of a clip: masks (frames, height, width) as `part_mask`, or other variables in its place."""
    path = folder / clip / "puppet_mask.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables or {"part_mask": masks.transpose(1, 2, 0)}, do_compression=True)
    return path


def columns(*widths: int, size: int = 8) -> np.ndarray:
    """uint8 (frames, size, size): in each frame a body of parts 1 and 3 over so many columns from the left."""
    masks = np.zeros((len(widths), size, size), np.uint8)
    for number, width in enumerate(widths):
        masks[number, :, :width] = 3
        masks[number, : size // 2, :width] = 1
    return masks
