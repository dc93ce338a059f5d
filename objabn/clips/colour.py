"""Change the colours of training clips, each clip's frames all alike.

What tells an action does not hang on the light, and few videos show few kinds of light. Brightness, contrast,
saturation and the balance of the channels are changed together, as one matrix and one offset a clip.

Shapes: B batch, T frames, S crop in pixels.
"""

import numpy as np
import torch
from torch import Tensor

from objabn.clips.geometry import MEAN, STD

_BALANCE = 0.3  # how far the channels' own gains go, of how far the others go
NUM_GAINS = 6


def draw_gains(colour: float, draw: np.random.Generator) -> np.ndarray:
    """Draw the gains of a clip: brightness, contrast, saturation, red, green, blue.

    Returns float32 (6,): the first three evenly from 1 - `colour` to 1 + `colour`, the channels' from a range that is
    0.3 times as wide.
    """
    reach = colour * np.array([1, 1, 1, _BALANCE, _BALANCE, _BALANCE])
    return (1 + reach * draw.uniform(-1, 1, size=NUM_GAINS)).astype(np.float32)


def change_colours(clips: Tensor, gains: Tensor) -> Tensor:
    """Change the colours of normalised clips.

    Returns float32 (B, 3, T, S, S), in the memory order of `clips`. Brightness b multiplies all values x in [0, 1],
    contrast c their distance from the clip's mean m, saturation s their distance from the pixel's mean of the channels,
    and each channel's gain g what comes out: g * (s * y + (1 - s) * mean(y)) with y = b * (c * x + (1 - c) * m). Values
    are cut off at 0 and 1.

    Args:
        clips: float32 (B, 3, T, S, S), as `resample_clips` gives them.
        gains: float32 (B, 6), as `draw_gains` gives them.
    """
    brightness, contrast, saturation = gains[:, :3, None].unbind(1)  # (B, 1) each
    channels = gains[:, 3:]  # (B, 3)
    mean = clips.mean(dim=(1, 2, 3, 4))[:, None] * STD + MEAN  # (B, 1), in [0, 1]
    mixing = saturation[..., None] * torch.eye(3, device=clips.device) + (1 - saturation[..., None]) / 3  # (B, 3, 3)
    matrix = mixing * (channels * brightness * contrast)[..., None]
    of_mean = channels * brightness * (contrast * MEAN + (1 - contrast) * mean)  # (B, 3): what x = MEAN becomes
    offset = (of_mean - MEAN) / STD
    pixels = clips.permute(0, 2, 3, 4, 1).flatten(1, 3)  # (B, T * S * S, 3)
    changed = torch.baddbmm(offset[:, None], pixels, matrix.mT).clamp_(-MEAN / STD, (1 - MEAN) / STD)
    return changed.view(clips.permute(0, 2, 3, 4, 1).shape).permute(0, 4, 1, 2, 3)
