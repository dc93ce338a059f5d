"""Load the network that a text names: one of torchvision's, a checkpoint of transformers, or a user's own.

load_network("torchvision:r3d_18", weights="r3d_18-b3b3357e.pth")
load_network("hf:FOLDER")                       # a checkpoint, as `save_pretrained` writes it
load_network("my_model.py:load")                # a function that returns an nn.Module or an Adapter
load_network("package.module:function")
"""

from objabn.config.rows import SPECS
from objabn.networks import own, torchvision, transformers
from objabn.networks.adapter import Adapter
from objabn.networks.weights import RANDOM


def load_network(
    spec: str,
    *,
    weights: str | None = None,
    num_frames: int | None = None,
    size: int | None = None,
    layer: str | None = None,
    num_classes: int | None = None,
) -> Adapter:
    """Load a network that was not trained here, in evaluation mode.

    Args:
        spec: which: see above.
        weights: a file (a state_dict or safetensors); "random" (by a fixed seed), but not of a user's function; or
            None: a checkpoint's own, what a user's function loads, or torchvision's own, if they lie where torch keeps
            downloads.
        num_frames, size: of the clips that it takes; None: what it was made for.
        layer: of Grad-CAM; None: the network's default.
        num_classes: of random weights.

    Raises:
        ValueError: the text names nothing; the weights are not there or do not fit; the network does not take such
            clips, has no classes, or no such layer; a user's function raises. All in one line.
    """
    kind, _, name = spec.partition(":")
    if not kind or not name:
        raise ValueError(f"model: expected {SPECS}, got {spec!r}")
    for key, value in (("num_frames", num_frames), ("size", size), ("num_classes", num_classes)):
        if value is not None and value < 1:
            raise ValueError(f"{key}: expected at least 1, got {value}")
    if num_classes is not None and weights != RANDOM:
        raise ValueError(f"num_classes: expected none, since weights are not {RANDOM!r}, got {num_classes}")
    if kind not in (torchvision.KIND, transformers.KIND):
        return own.load(spec, weights=weights, num_frames=num_frames, size=size, layer=layer)
    loading = torchvision.load if kind == torchvision.KIND else transformers.load
    return loading(name, weights=weights, num_frames=num_frames, size=size, layer=layer, num_classes=num_classes)
