"""J-HMDB's puppet masks: the actor in each frame of a clip, in a file of MATLAB.

    <masks>/<class>/<name>/puppet_mask.mat    part_mask (height, width, frames): above 0 is the actor

The folder of a clip is its id in index.csv. The last frames of some clips have no mask: up to `MOST_APART` frames more
or less than the clip has are taken for that, more for the file of another clip.
"""

from pathlib import Path

import numpy as np

from objabn.segmentation.segmenters.instances import Instances
from objabn.segmentation.segmenters.placing import place_masks
from objabn.system.checkouts import why_absent

NAME, VARIABLE = "puppet_mask.mat", "part_mask"
MOST_APART = 2  # frames


def check_scipy() -> None:
    """Raise ValueError, which says what to install, where the library that reads these files is not there."""
    try:
        import scipy.io  # noqa: F401
    except ModuleNotFoundError:
        install = "`pip install '.[jhmdb]'` in a checkout of objabn"
        raise ValueError(f"{NAME}: expected scipy, which reads it, found no such library; {install}") from None


def puppet_of(masks: str, video: str) -> Path:
    """Return the file of a clip's puppets. Raises: ValueError where there is none."""
    path = Path(masks) / video / NAME
    if not path.is_file():
        got = "no such file" if Path(masks).is_dir() else f"no directory {masks}{why_absent(masks, 'segment.masks')}"
        raise ValueError(f"{path}: expected the puppets of video {video}, got {got}")
    return path


def puppet_instances(path: Path, frames: int, stride: int, class_name: str) -> list[Instances]:
    """Return the actor in each stored frame of a clip, with score 1; last frames without a mask have the last one.

    Args:
        frames: how many of the clip's frames are stored: those with the numbers 0, stride, ...

    Raises:
        ValueError: as `read_puppets`, or the puppets are of another number of frames.
    """
    puppets = read_puppets(path)
    if (wrong := wrong_length(puppets, frames, stride)) is not None:
        raise ValueError(f"{path}: {wrong}")
    numbers = np.minimum(np.arange(frames) * stride, len(puppets) - 1)
    return [place_masks([(puppets[number], 1.0, class_name)]) for number in numbers]


def read_puppets(path: Path) -> np.ndarray:
    """Return the actor's mask in each frame of a clip, bool (frames, height, width).

    Raises:
        ValueError: no such file, not one of MATLAB's up to version 7, without a `part_mask` of numbers (height, width,
            frames); scipy is not there.
    """
    check_scipy()
    from scipy.io import loadmat

    if not path.is_file():
        raise ValueError(f"{path}: expected a file of MATLAB with {VARIABLE}, got no such file")
    try:
        content = loadmat(str(path), variable_names=[VARIABLE], appendmat=False)
    except NotImplementedError:  # what scipy says of it
        raise ValueError(f"{path}: expected a file of MATLAB up to 7, got 7.3 (HDF5); save it with -v7") from None
    except Exception as error:  # a damaged file raises half a dozen types
        got = f"one that cannot be read ({type(error).__name__})"
        raise ValueError(f"{path}: expected a file of MATLAB with {VARIABLE}, got {got}") from error
    if VARIABLE not in content:
        raise ValueError(f"{path}: expected the variable {VARIABLE}, got none of that name")
    found = content[VARIABLE]
    values = found[..., None] if found.ndim == 2 else found  # MATLAB drops a last axis of one frame
    if values.dtype.kind not in "biuf" or values.ndim != 3 or 0 in values.shape:
        got = f"{found.dtype} {found.shape}"
        raise ValueError(f"{path}: {VARIABLE}, expected numbers (height, width, frames), got {got}")
    return (values > 0).transpose(2, 0, 1)


def wrong_length(puppets: np.ndarray, frames: int, stride: int) -> str | None:
    """Say that a clip's puppets are of another number of frames; None where they fit.

    Args:
        puppets: bool (frames, height, width), of all of the clip's frames.
        frames: how many of the clip's frames are stored: those with the numbers 0, stride, ...
    """
    least, most = (frames - 1) * stride + 1, frames * stride
    if least - MOST_APART <= len(puppets) <= most + MOST_APART:
        return None
    expected = str(least) if least == most else f"{least} to {most}"
    height, width = puppets.shape[1:]
    return f"{VARIABLE}, expected {expected} frames as its last axis, got {(height, width, len(puppets))}"
