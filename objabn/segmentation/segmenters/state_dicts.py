"""State_dicts of torchvision's models: its own downloads, or files, and networks filled with them."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import detection, segmentation

from objabn.segmentation.segmenters.rcnn import check_keys
from objabn.system.downloads import bring, not_whole, torch_path

MASK_RCNN = {
    "maskrcnn_resnet50_fpn": detection.MaskRCNN_ResNet50_FPN_Weights.COCO_V1,
    "maskrcnn_resnet50_fpn_v2": detection.MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1,
}
SEMANTIC = {
    "lraspp_mobilenet_v3_large": segmentation.LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1,
    "deeplabv3_mobilenet_v3_large": segmentation.DeepLabV3_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1,
    "deeplabv3_resnet50": segmentation.DeepLabV3_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1,
}
WEIGHTS = {**MASK_RCNN, **SEMANTIC}  # torchvision's own of each model
ZOO = "zoo"


def read_state(path: str, model: str) -> dict[str, Tensor]:
    """Tensors of a weights file, or of torchvision's own weights where the path is `zoo`.

    Raises:
        ValueError: the file is missing or holds anything else, or the weights cannot be downloaded.
    """
    if model in WEIGHTS:
        origin = f"{type(WEIGHTS[model]).__name__}.{WEIGHTS[model].name}"
        expected = f"expected a state_dict of torchvision's {model} (.pth), such as the file of its {origin}"
    else:
        expected = f"expected a state_dict of {model} (.pth), as `python -m objabn pretrain segmenter` writes it"
    if path == ZOO and model in WEIGHTS:
        return _download(model)
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such file; {expected}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises half a dozen types for a file that is not its own
        got = not_whole(Path(path)) or f"a file that torch cannot read ({type(error).__name__})"
        raise ValueError(f"{path}: {expected}, got {got}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path}: {expected}, got something else than a dictionary of tensors")
    return state


def _download(model: str) -> dict[str, Tensor]:
    """torchvision's own weights, by its cache. Raises: ValueError when they are not there and cannot be had."""
    url = WEIGHTS[model].url
    path = torch_path(url)
    try:
        return dict(WEIGHTS[model].get_state_dict(progress=True, check_hash=True))
    except Exception as error:  # no connection; a file whose digest is another, or that torch cannot read
        if path.is_file():
            got = not_whole(path) or f"a file that torch cannot read ({type(error).__name__})"
            raise ValueError(f"{path}: expected the file of {url}, got {got}; remove it and fetch it again") from error
        reason = str(error).partition("\n")[0]
        expected = f"segment.weights: expected torchvision to download {url}, got {reason}"
        raise ValueError(f"{expected}; {bring(url, path, 'segment.weights')}") from error


def fill(
    network: nn.Module,
    state: dict[str, Tensor],
    path: str,
    model: str,
    *,
    assign: bool = False,
    unused: tuple[str, ...] = (),
) -> None:
    """Fill a network with a state_dict; with `assign` by the tensors themselves, without a copy.

    Args:
        path: of the file, and `model`: for the messages.
        unused: beginnings of keys that the file may have and the network lacks.

    Raises:
        ValueError: unless each key finds its place, with its shape.
    """
    try:
        # Not a comparison of key sets: torchvision renames older files' keys while it loads.
        missing, unexpected = network.load_state_dict(state, strict=False, assign=assign)
    except RuntimeError as error:
        faults = [line.strip() for line in str(error).splitlines() if "size mismatch" in line]
        raise ValueError(
            f"{path}: does not fit {model}: {len(faults)} tensors of another shape (first: {faults[0]})"
        ) from error
    check_keys(
        path, model, missing, [key for key in unexpected if not key.startswith(unused)] if unused else unexpected
    )
