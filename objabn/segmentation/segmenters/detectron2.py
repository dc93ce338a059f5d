"""Mask R-CNN of detectron2's model zoo, R50-FPN 3x on COCO unless told otherwise.

The network runs as detectron2 runs it, but for both ends: frames are resized on the network's device, to what Pillow
makes of them there, and the 28 x 28 masks go through `paste_masks` straight to the grid.

detectron2 is built from source against the torch that is there, so it is no requirement of ours, and imported only when
a segmenter is built.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objabn.segmentation.segmenters.instances import Instances, Segmenter
from objabn.segmentation.segmenters.rcnn import (
    batch_that_fits,
    by_frame,
    check_keys,
    device_of,
    in_bf16,
    in_channels_last,
    upload,
)
from objabn.system.downloads import bring, iopath_path, not_whole

MODEL = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml"
ZOO = "zoo"
INSTALLATION = "https://detectron2.readthedocs.io/en/latest/tutorials/install.html"
KIND = ("GeneralizedRCNN", "StandardROIHeads", True)  # what `_config` and `run_in_bf16` know
CONSTANTS = ("pixel_mean", "pixel_std")  # in older checkpoints; the network takes them from the config


def build(
    *,
    weights: str,
    model: str = MODEL,
    short_edge: int = 800,
    long_edge: int = 1333,
    proposals: int = 1000,
    score_floor: float = 0.05,
    max_instances: int = 100,
    batch_size: int = 4,
    device: str = "auto",
    **_: Any,
) -> Segmenter:
    """Segmenter that runs detectron2's Mask R-CNN: bf16 arithmetic on CUDA, float32 on the CPU.

    Args:
        weights: zoo (detectron2 downloads the file of `model`, once), or the path of a checkpoint: a .pkl as the zoo's
            or a .pth as detectron2 saves them. detectron2 reads .pkl with pickle, which runs what the file says: take
            them from nobody you do not trust.
        model: name of a config in detectron2's model zoo: a Mask R-CNN of its standard layout (FPN or DC5).
        short_edge: frames are resized so that their short edge has this many pixels ...
        long_edge: ... and their long edge no more than these.
        proposals: regions a frame that the second stage classifies.
        score_floor: instances must score above this.
        max_instances: most instances a frame, the best scored.
        batch_size: frames a forward pass.
        device: auto (CUDA when there is one), cpu, cuda, cuda:1, ...

    Raises:
        ValueError: detectron2 cannot be imported; the model is unknown or of another kind; the weights are missing,
            unreadable, cannot be downloaded or do not fit.
    """
    library = _library()
    config = _config(library, model)
    source = _source(library, weights, model)
    config.MODEL.DEVICE = str(device_of(device))
    config.MODEL.RPN.POST_NMS_TOPK_TEST = proposals
    config.MODEL.ROI_HEADS.SCORE_THRESH_TEST = score_floor
    config.TEST.DETECTIONS_PER_IMAGE = max_instances
    network = library.build_model(config).eval()
    _load(library, network, source, model)
    if network.device.type == "cuda":
        in_channels_last(network, network.backbone)
        run_in_bf16(network, "cuda")
    names = np.array(library.MetadataCatalog.get(config.DATASETS.TEST[0]).thing_classes)
    assert len(names) == config.MODEL.ROI_HEADS.NUM_CLASSES

    def segment(frames: np.ndarray, _video: str = "") -> list[Instances]:
        size = library.ResizeShortestEdge.get_output_shape(*frames.shape[1:3], short_edge, long_edge)
        batches = (frames[start : start + batch_size] for start in range(0, len(frames), batch_size))
        with batch_that_fits(batch_size, short_edge):
            return [instances for batch in batches for instances in _forward(network, batch, size, names)]

    return segment


@torch.inference_mode()
def _forward(network: Any, frames: np.ndarray, size: tuple[int, int], names: np.ndarray) -> list[Instances]:
    """Instances of a batch of frames, uint8 (B, H, W, 3) RGB, seen by the network at a size of (rows, columns)."""
    pixels = resize(frames, size, network.device)
    if network.input_format == "BGR":
        pixels = pixels.flip(1)
    found = network.inference([{"image": image} for image in pixels], do_postprocess=False)
    found = [one[one.pred_boxes.nonempty()] for one in found]  # detectron2's own postprocessing drops them too
    height, width = size
    boxes = torch.cat([one.pred_boxes.tensor for one in found]) / pixels.new_tensor([width, height, width, height])
    masks = torch.cat([one.pred_masks for one in found])[:, 0]  # (n, 28, 28)
    scores, labels = (torch.cat([one.get(key) for one in found]) for key in ("scores", "pred_classes"))
    counts = [len(one) for one in found]
    return by_frame(masks, boxes, scores, labels, names, counts, draws=pixels.is_cuda)


def check_weights(weights: str, model: str) -> None:
    """Check that the library is there, knows the model, and that the weights at a path fit it.

    Raises:
        ValueError: as `build`.
    """
    build(weights=weights, model=model, device="cpu")


def check_model(model: str) -> None:
    """Check that the library is there and knows the model. Raises: ValueError as `build`."""
    _config(_library(), model)


def zoo_url(model: str) -> str:
    """Address of a model's weights in detectron2's zoo. Raises: ValueError as `build`."""
    library = _library()
    _config(library, model)
    return _source(library, ZOO, model)


def resize(frames: np.ndarray, size: tuple[int, int], device: torch.device) -> Tensor:
    """uint8 (B, H, W, 3) to float32 (B, 3, *size), whole numbers of 0-255, by Pillow's bilinear filter on any device.

    At ratios that put values halfway between two levels a few per cent are a level off Pillow's, elsewhere none.
    """
    pixels = upload(frames, device).float()
    for shape in ((frames.shape[1], size[1]), size):  # as Pillow: columns, then rows, whole numbers in between
        pixels = F.interpolate(pixels, shape, mode="bilinear", antialias=True).add(0.5).floor()
    return pixels


def run_in_bf16(network: Any, device_type: str) -> None:
    """Make the network's convolutions and linear layers run in bf16, and hand over float32 in between."""
    heads = network.roi_heads
    for part in (network.backbone, network.proposal_generator.rpn_head, heads.box_head, heads.box_predictor):
        part.forward = in_bf16(part.forward, device_type)
    heads.mask_head.layers = in_bf16(heads.mask_head.layers, device_type)  # its forward hands over whole instances


def _library() -> SimpleNamespace:
    """What we use of detectron2. Raises: ValueError when it, or a library that it needs, is missing."""
    try:
        from detectron2 import model_zoo
        from detectron2.checkpoint import DetectionCheckpointer
        from detectron2.data import MetadataCatalog
        from detectron2.data.transforms import ResizeShortestEdge
        from detectron2.modeling import build_model
    except ImportError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"segmenter detectron2: the library cannot be imported ({reason}); `make detectron2` builds it against the "
            f"torch that is there (by hand: {INSTALLATION})"
        ) from error
    return SimpleNamespace(
        model_zoo=model_zoo,
        DetectionCheckpointer=DetectionCheckpointer,
        MetadataCatalog=MetadataCatalog,
        ResizeShortestEdge=ResizeShortestEdge,
        build_model=build_model,
    )


def _config(library: SimpleNamespace, model: str) -> Any:
    """detectron2's config of a model, ours to change. Raises: ValueError for one that we cannot run."""
    expected = f"detectron2 model: expected the config of a Mask R-CNN in detectron2's model zoo, such as {MODEL}"
    try:
        config = library.model_zoo.get_config(model)
        kind = (config.MODEL.META_ARCHITECTURE, config.MODEL.ROI_HEADS.NAME, config.MODEL.MASK_ON)
    except (RuntimeError, ValueError, AttributeError) as error:  # AttributeError: one of the zoo's .py, or no file
        raise ValueError(f"{expected}, got {model!r}") from error
    if kind != KIND:
        raise ValueError(f"{expected}, got {model!r} ({', '.join(kind[:2])}, {'' if kind[2] else 'no '}masks)")
    return config


def _source(library: SimpleNamespace, weights: str, model: str) -> str:
    """Path or address of a model's weights. Raises: ValueError where there are none."""
    if weights != ZOO:
        if not Path(weights).is_file():
            raise ValueError(
                f"{weights}: no such file; expected zoo, or a checkpoint of detectron2's {model} (.pkl or .pth)"
            )
        return weights
    try:
        return library.model_zoo.get_checkpoint_url(model)
    except RuntimeError as error:
        raise ValueError(f"detectron2 weights: expected a path (the zoo has none for {model}), got {ZOO!r}") from error


def _load(library: SimpleNamespace, network: nn.Module, source: str, model: str) -> None:
    """Fills the network. Raises: ValueError unless each key finds its place, with its shape; detectron2 only warns."""
    checkpointer = library.DetectionCheckpointer(network)
    reports: list[Any] = []
    checkpointer._log_incompatible_keys = reports.append  # the method that `load` warns through
    given: set[str] = set()
    hook = network.register_load_state_dict_pre_hook(lambda *arguments: given.update(arguments[1]))
    try:
        checkpointer.load(source)
    except Exception as error:  # a dozen types, for what is no checkpoint or cannot be downloaded
        raise ValueError(_why_not_loaded(error, source, model)) from error
    hook.remove()
    (report,) = reports
    shapes = [f"{key}: {tuple(its)} instead of {tuple(ours)}" for key, its, ours in report.incorrect_shapes]
    if shapes:
        raise ValueError(f"{source}: does not fit {model}: {len(shapes)} tensors of another shape (first: {shapes[0]})")
    missing = list(report.missing_keys)
    # Frozen batch norms fill in what a file lacks of these: right where all of them are folded into the weights.
    statistics = [key for key in network.state_dict() if key.endswith((".running_mean", ".running_var"))]
    if given.intersection(statistics):
        missing += [key for key in statistics if key not in given and key not in missing]
    unexpected = [key for key in report.unexpected_keys if key not in CONSTANTS]
    check_keys(source, model, missing, unexpected)


def _why_not_loaded(error: Exception, source: str, model: str) -> str:
    """Say in a line why detectron2 did not load weights, and what to do when it was to download them."""
    reason = str(error).partition("\n")[0]
    is_download = "://" in source
    path = iopath_path(source) if is_download else Path(source)
    if is_download and not path.is_file():
        expected = f"segment.weights: expected detectron2 to download {source}, got {reason}"
        return f"{expected}; {bring(source, path, 'segment.weights')}"
    got = not_whole(path) or f"one that detectron2 cannot load ({type(error).__name__}: {reason})"
    advice = f"; remove it and fetch {source} again" if is_download else ""
    return f"{path}: expected a checkpoint of detectron2's {model}, got {got}{advice}"
