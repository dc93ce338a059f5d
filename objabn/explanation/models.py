"""Networks that were not trained here, ready to explain videos.

    model = load_model("torchvision:r2plus1d_18", weights="r2plus1d_18-91a641e6.pth")
    found = explain("holiday.mp4", model=model, method="layer-cam", out="explained/holiday")

T frames of a clip.
"""

import json
from pathlib import Path

import numpy as np
from torch import nn

from objabn.clips.sampling import crop_box
from objabn.config.renamed import of_old_run
from objabn.config.rows import NETWORK, map_names
from objabn.config.schema import Dataset, GradCam
from objabn.evaluation.trained import SHIPPED, TrainedRun, choose_device
from objabn.model.run import RUN
from objabn.networks.adapter import Adapter
from objabn.networks.choice import load_network

_FRAMES, _SIZE = 16, 112  # of the clips of a bare module, as `Adapter` takes them by default
STRIDE = 2  # every n-th frame of a video where nothing else is asked for, as most networks of Kinetics were trained


def load_model(
    model: str | nn.Module,
    *,
    weights: str | None = None,
    num_frames: int | None = None,
    frame_stride: int | None = None,
    size: int | None = None,
    layer: str | None = None,
    device: str = "auto",
) -> TrainedRun:
    """Load a network that was not trained here, so that explaining many videos reads it once.

    It sees the whole short side of a video, of which it takes the centre square.

    Args:
        model: "torchvision:NAME", "hf:FOLDER", "FILE.py:FUNCTION" or "package.module:function" (which run code of
            theirs); an `Adapter`; or a module that takes clips as `Adapter` says.
        weights: a file, or "random"; None: the checkpoint's own. Of a text alone.
        num_frames, size: frames and pixels of a clip; None: as the network was made. Not of an `Adapter`.
        frame_stride: every n-th frame of a video; None: 2.
        layer: of Grad-CAM; None: the network's default.
        device: "auto" (a CUDA device if there is one), "cpu" or "cuda".

    Raises:
        ValueError: no such network, weights, layer or device, or clips that it does not take.
    """
    chosen = choose_device(device)
    for key, value in (("num_frames", num_frames), ("frame_stride", frame_stride), ("size", size)):
        if value is not None and value < 1:
            raise ValueError(f"{key}: expected at least 1, got {value}")
    if weights is not None and not isinstance(model, str):
        raise ValueError(f"weights: expected None beside a network that has its own, got {weights!r}")
    network = _adapted(model, weights, num_frames, size, layer)
    layer = layer or network.layer
    network.tap(layer)
    name = network.spec or type(network.module).__name__
    shipped = Dataset.model_validate(of_old_run(json.loads((SHIPPED / RUN).read_text())["params"]))
    data = {"num_frames": network.num_frames, "frame_stride": frame_stride or STRIDE, "pad": "last"}
    data |= dict.fromkeys(("crop", "short_side_min", "short_side_max", "short_side_eval"), network.size)
    params = shipped.model_copy(
        update={
            "data": shipped.data.model_copy(update=data),
            "decode": shipped.decode.model_copy(update={"stride": 1}),
            "gradcam": GradCam(layer=layer),
        }
    )
    record = {NETWORK: {"spec": name, "weights": weights, "digests": network.digests, "split": network.split}}
    attention = "plain"
    maps = map_names(attention)
    return TrainedRun(
        Path(name), network.to(chosen).eval(), params, attention, network.class_names, maps, chosen, record
    )


def _adapted(
    model: str | nn.Module, weights: str | None, num_frames: int | None, size: int | None, layer: str | None
) -> Adapter:
    if isinstance(model, str):
        return load_network(model, weights=weights, num_frames=num_frames, size=size, layer=layer)
    if not isinstance(model, Adapter):
        return Adapter(model, num_frames=num_frames or _FRAMES, size=size or _SIZE, layer=layer)
    for name, given in (("num_frames", num_frames), ("size", size)):
        if given not in (None, own := getattr(model, name)):
            raise ValueError(f"{name}: expected {own}, that of the Adapter, got {given}")
    return model


def is_model(run: TrainedRun) -> bool:
    """Tell whether `load_model` has made it: it is no row of a data set."""
    return set(run.record) == {NETWORK}


def framing(run: TrainedRun, height: int, width: int, pixel_aspect: float) -> tuple[tuple[int, int], np.ndarray]:
    """Say how a run's network sees a video: at which size, and which part.

    Args:
        height, width: of the video's frames, as displayed.
        pixel_aspect: width of the video's pixels by their height.

    Returns:
        (height, width) to which frames are resized; and the crop of them, float32 (4,), x0, y0, x1, y1 in [0, 1].
    """
    data, decode = run.params.data, run.params.decode
    if not is_model(run):
        return (decode.height, decode.width), crop_box(data, height, width, None)[0]
    stored = shown_size(height, width * pixel_aspect, data.short_side_eval)
    return stored, crop_box(data, *stored, None)[0]


def shown_size(height: int, width: float, short_side: int) -> tuple[int, int]:
    """Resize a frame's sides so that the shorter one has so many pixels.

    >>> shown_size(240, 320, 112), shown_size(1920, 1080, 224)
    ((112, 149), (398, 224))
    """
    scale = short_side / min(height, width)
    return max(round(height * scale), short_side), max(round(width * scale), short_side)
