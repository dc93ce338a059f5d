"""Instance segmentation of the library transformers: RF-DETR-Seg, Mask2Former, MaskFormer, EoMT, by name or folder.

Frames are resized, normalised and padded by the checkpoint's own processor, and the library's own post-processing says
what is an instance and how it scores. Its last step is ours: it makes masks at the frames' size, here logits go
straight to the grid (`whole_frame`). So where a score counts how sure a mask is of its own area (all but RF-DETR), it
differs a little: that mean is taken on the grid. Classes are the checkpoint's own, in lower case, or COCO's.

Not run so far: published weights.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from objabn.segmentation.segmenters import hub
from objabn.segmentation.segmenters.instances import Instances, Segmenter
from objabn.segmentation.segmenters.rcnn import batch_that_fits, cut_frames, device_of, in_bf16, upload
from objabn.segmentation.segmenters.whole_frame import place_logits

MAX_INSTANCES = 100  # of a frame, the best scored, as of the other backends
NO_CLASSES = ("n/a", "N/A", "__background__")  # numbers that COCO leaves out
_LONG_EDGE = 1333 / 800  # the longest that an input may be, by its short edge, where the processor names one size
_STUFF = ("sky", "sky-other-merged", "wall-other-merged")  # classes of no instances: of a panoptic checkpoint


class Found(NamedTuple):
    """Candidates of one frame, n of them."""

    queries: Tensor  # int64 (n,): which of the network's masks
    scores: Tensor  # float (n,)
    labels: Tensor  # int64 (n,)


def _best(scores: Tensor, most: int) -> Found:
    """Choose the best pairs of a query and a class, from scores (queries, classes): a query may have two classes."""
    values, places = scores.flatten().topk(min(most, len(scores), scores.numel()))
    return Found(places // scores.shape[1], values, places % scores.shape[1])


def _best_class(scores: Tensor, most: int) -> Found:
    """Choose each query's best class, and of the queries the best, from scores (queries, classes)."""
    values, labels = scores.max(dim=1)
    values, queries = values.topk(min(most, len(values)))
    return Found(queries, values, labels[queries])


class Architecture(NamedTuple):
    """How a kind of network is loaded, and what its outputs mean."""

    automodel: str  # the library's class that finds the network's
    choose: Callable[[Tensor, int], Found]
    any_size: bool  # of its input; the published ones of the others take one size
    has_boxes: bool  # boxes and a logit for each class, else a class distribution with a last entry "none"
    features: Callable[[Any], list[nn.Module]]  # the parts that may compute in bf16


_INSTANCE, _UNIVERSAL = "AutoModelForInstanceSegmentation", "AutoModelForUniversalSegmentation"
ARCHITECTURES = {  # by model_type of config.json
    "rf_detr": Architecture(_INSTANCE, _best, False, True, lambda network: [network.model.model.backbone]),
    "maskformer": Architecture(_INSTANCE, _best, True, False, lambda network: [network.model.pixel_level_module]),
    "mask2former": Architecture(_UNIVERSAL, _best, True, False, lambda network: [network.model.pixel_level_module]),
    "eomt": Architecture(_UNIVERSAL, _best_class, False, False, lambda network: list(network.layers)),
    "eomt_dinov3": Architecture(_UNIVERSAL, _best_class, False, False, lambda network: list(network.layers)),
}


def build(
    *,
    weights: str,
    revision: str | None = None,
    short_edge: int | None = None,
    class_names: str | None = None,
    score_floor: float = 0.05,
    batch_size: int = 4,
    bf16: bool = True,
    device: str = "auto",
    **_: Any,
) -> Segmenter:
    """Segmenter that runs a checkpoint of the library transformers, in float32 but for `bf16`.

    Args:
        weights: a folder as `save_pretrained` writes it, or a name on the Hub, which is downloaded once.
        revision: of a name: branch, tag or commit.
        class_names: coco names the classes as COCO does, by their number; None: as the checkpoint does.
        short_edge: frames are resized so that their short edge has this many pixels; None: as the checkpoint says.
        score_floor: instances must score above this.
        batch_size: frames a forward pass.
        bf16: bf16 arithmetic in the feature extractor on CUDA.
        device: auto (CUDA when there is one), cpu, cuda, cuda:1, ...

    Raises:
        ValueError: the library or the weights are not there, or do not fit; another architecture; `short_edge` for a
            checkpoint that takes one size.
    """
    hub.check_library()
    folder = hub.folder_of(weights, revision)
    architecture, names = _architecture(folder), np.array(label_names(folder, class_names))
    processor = _processor(folder, short_edge, architecture)
    network = _network(folder, architecture)
    where = device_of(device)
    network = network.to(where)
    if where.type == "cuda" and bf16:
        run_in_bf16(architecture.features(network), "cuda")

    def segment(frames: np.ndarray, _video: str = "") -> list[Instances]:
        inside = _inside(processor, frames[:1])
        batches = (frames[start : start + batch_size] for start in range(0, len(frames), batch_size))
        with batch_that_fits(batch_size, short_edge or min(frames.shape[1:3])):
            return [
                found
                for batch in batches
                for found in _forward(network, processor, architecture, batch, inside, names, score_floor)
            ]

    return segment


@torch.inference_mode()
def _forward(
    network: Any,
    processor: Any,
    architecture: Architecture,
    frames: np.ndarray,
    inside: tuple[float, float],
    names: np.ndarray,
    score_floor: float,
) -> list[Instances]:
    """Instances of a batch of frames, uint8 (B, H, W, 3)."""
    outputs = network(**_inputs(processor, frames, network.device))
    if architecture.has_boxes:
        scores, logits = outputs.logits.sigmoid(), outputs.pred_masks  # (B, Q, C), (B, Q, h, w)
        middle, extent = outputs.pred_boxes.split(2, dim=-1)
        all_boxes = torch.cat([middle - extent / 2, middle + extent / 2], dim=-1)  # (B, Q, 4)
    else:
        scores = outputs.class_queries_logits.softmax(dim=-1)[..., :-1]
        logits, all_boxes = outputs.masks_queries_logits, None
    columns: list[list[Tensor]] = [[], [], [], []]  # masks on the grid, boxes, scores, labels
    is_class = torch.from_numpy(~np.isin(names, NO_CLASSES)).to(scores.device)
    counts = []
    for number in range(len(frames)):
        found = architecture.choose(scores[number], MAX_INSTANCES)
        found = Found(*(each[found.scores > score_floor] for each in found))  # a mask's quality makes none greater
        placed = place_logits(logits[number, found.queries].float(), inside)
        score = found.scores if architecture.has_boxes else found.scores * placed.quality
        kept = (score > score_floor) & (placed.quality > 0) & is_class[found.labels]
        order = score[kept].argsort(descending=True, stable=True)
        own = placed.boxes if all_boxes is None else all_boxes[number, found.queries]
        for column, part in zip(columns, (placed.masks, own, score, found.labels), strict=True):
            column.append(part[kept][order])
        counts.append(len(order))
    shapes, boxes, values, labels = (torch.cat(column) for column in columns)
    return cut_frames(shapes, boxes, values, labels, names, counts, draws=network.device.type == "cuda")


def _inputs(processor: Any, frames: np.ndarray, device: torch.device) -> dict[str, Tensor]:
    """What the network takes of frames uint8 (B, H, W, 3), made on its device."""
    made = processor(images=list(upload(frames, device)), return_tensors="pt", input_data_format="channels_first")
    return {name: made[name].to(device) for name in ("pixel_values", "pixel_mask") if name in made}


def _inside(processor: Any, frames: np.ndarray) -> tuple[float, float]:
    """Shares of the network's input, down and across, that a video's frames take; padding is the rest."""
    made = _inputs(processor, frames, torch.device("cpu"))
    high, wide = made["pixel_values"].shape[-2:]
    if "pixel_mask" in made:
        valid = made["pixel_mask"][0]
        return float(valid.any(dim=1).sum()) / high, float(valid.any(dim=0).sum()) / wide
    if not getattr(processor, "do_pad", False):
        return 1.0, 1.0
    bare = processor(images=list(upload(frames, torch.device("cpu"))), do_pad=False, input_data_format="channels_first")
    rows, cols = bare["pixel_values"][0].shape[-2:]
    return rows / high, cols / wide


def check_weights(
    weights: str, revision: str | None, short_edge: int | None, class_names: str | None, *, load: bool = True
) -> None:
    """Check that weights that are here fit, without a frame; the large file only to `load`.

    Raises:
        ValueError: as from `build`.
    """
    hub.check_library()
    folder = hub.folder_of(weights, revision)
    architecture = _architecture(folder)
    label_names(folder, class_names)
    _processor(folder, short_edge, architecture)
    if load:
        _network(folder, architecture)


def label_names(folder: Path, class_names: str | None = None) -> list[str]:
    """Read a checkpoint's class names, in lower case, in their order, or count them and take COCO's.

    Raises:
        ValueError: it has no such names, or not as many classes as COCO.
    """
    labels = hub.read_config(folder).get("id2label") or {}
    try:
        names = [str(labels[key]).strip().lower() for key in sorted(labels, key=int)]
    except (TypeError, ValueError):
        names = []
    if class_names == "coco":
        if len(names) not in (known := {len(each): each for each in coco_names()}):
            expected = f"expected {' or '.join(map(str, known))} classes (segment.class_names is coco)"
            raise ValueError(f"{folder / hub.CONFIG}: id2label, {expected}, got {len(names)}")
        return known[len(names)]
    if not names or all(name.startswith("label_") for name in names):
        got = ", ".join(names[:3]) or "none"
        todo = "if it was trained on COCO, set segment.class_names to coco; else write them into the file"
        raise ValueError(f"{folder / hub.CONFIG}: id2label, expected the names of the classes, got {got}; {todo}")
    return names


def coco_names() -> tuple[list[str], list[str]]:
    """COCO's 80 classes in their order, and its 91 numbers, of which 0 and ten more have no class."""
    from torchvision.models._meta import _COCO_CATEGORIES

    return [name for name in _COCO_CATEGORIES if name not in ("__background__", "N/A")], list(_COCO_CATEGORIES)


def kind_fault(names: Sequence[str]) -> str | None:
    """Say why masks of these classes are no instances: they are panoptic or semantic maps. None if they are."""
    stuff = [name for name in names if name in _STUFF]
    if not stuff:
        return None
    return f"expected a checkpoint of instances, got one of panoptic or semantic maps: {stuff[0]} is among its classes"


def _architecture(folder: Path) -> Architecture:
    """How the checkpoint's network is used. Raises: ValueError for one that is not known."""
    kind = hub.read_config(folder).get("model_type")
    if kind not in ARCHITECTURES:
        expected = f"expected one of {', '.join(ARCHITECTURES)}"
        raise ValueError(f"{folder / hub.CONFIG}: model_type, {expected}, got {kind!r}")
    return ARCHITECTURES[kind]


def _processor(folder: Path, short_edge: int | None, architecture: Architecture) -> Any:
    """The checkpoint's own processor of frames. Raises: ValueError for one that cuts frames, or has one size."""
    from transformers import AutoImageProcessor

    try:
        processor = AutoImageProcessor.from_pretrained(str(folder), backend="torchvision", local_files_only=True)
    except Exception as error:  # a json of another library's version, or of something else
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{folder}: expected a processor of images, got {type(error).__name__}: {reason}") from error
    if getattr(processor, "do_split_image", False):
        expected = "expected a checkpoint that sees whole frames (of instances), got one that cuts them (semantic)"
        raise ValueError(f"{folder / hub.PREPROCESSORS[0]}: do_split_image, {expected}")
    if short_edge is not None:
        size = dict(processor.size)
        if not architecture.any_size:
            own = ", ".join(f"{name} {value}" for name, value in size.items() if value)
            expected = f"expected null, since {folder.name} has a size of its own ({own})"
            raise ValueError(f"segment.short_edge: {expected}, got {short_edge}")
        longest = size.get("longest_edge") or round(short_edge * _LONG_EDGE)
        processor.size = type(processor.size)(shortest_edge=short_edge, longest_edge=longest)
    return processor


def _network(folder: Path, architecture: Architecture) -> Any:
    """The network with its weights, in evaluation mode. Raises: ValueError unless all of it is in the file."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return load_network(getattr(transformers, architecture.automodel), folder)


def load_network(kind: Any, folder: Path) -> nn.Module:
    """Load a network of a class of the library's. Raises: ValueError unless the file has all tensors, of its shapes."""
    path, settings = folder / hub.WEIGHTS, {"local_files_only": True, "use_safetensors": True, "dtype": torch.float32}
    try:
        network, found = kind.from_pretrained(str(folder), output_loading_info=True, **settings)
    except Exception as error:  # shapes that differ, a config of other keys
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ValueError(f"{path}: does not fit {hub.CONFIG}: {lines[0] if lines else type(error).__name__}") from error
    if missing := sorted(found["missing_keys"]):
        raise ValueError(f"{path}: does not fit {hub.CONFIG}: {len(missing)} missing keys (first: {missing[0]})")
    return network.eval()


def run_in_bf16(parts: list[nn.Module], device_type: str) -> None:
    """Make parts of a network compute in bf16, and hand over float32."""
    for part in parts:
        part.forward = in_bf16(part.forward, device_type)
