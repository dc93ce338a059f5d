"""SAM 3 by texts: each group of the mask store is what its prompts ask for, a frame at a time.

    prompts: {"person": ["person"], "hand": ["hand"], "object": ["object held in the hand"]}

A frame is looked at once, and its features are asked for each text. An instance's class is its group's name. What two
texts find in one place lies in both of their groups. The weights are gated: who wants them accepts Meta's licence.

Not run so far: the published weights.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from objabn.segmentation.segmenters import hub
from objabn.segmentation.segmenters.instances import Instances, Segmenter
from objabn.segmentation.segmenters.rcnn import batch_that_fits, cut_frames, device_of, upload
from objabn.segmentation.segmenters.transformers import MAX_INSTANCES, load_network, run_in_bf16
from objabn.segmentation.segmenters.whole_frame import place_logits

MODEL_TYPES = ("sam3", "sam3_video")  # the published file holds the tracker, too, which is left out


class Prompt(NamedTuple):
    """A text as the network takes it."""

    group: int
    features: Any  # the library's output of the text encoder
    mask: Tensor  # int64 (1, tokens): 1 for a token, 0 for padding


def build(
    *,
    weights: str,
    prompts: Mapping[str, Sequence[str]],
    revision: str | None = None,
    score_floor: float = 0.05,
    bf16: bool = True,
    device: str = "auto",
    **_: Any,
) -> Segmenter:
    """Segmenter that finds what texts ask for, in float32 but for `bf16`.

    Args:
        weights: a folder with SAM 3's files, or its name on the Hub, which is downloaded once.
        prompts: texts of each group, in the order of the store's planes.
        revision: of a name: branch, tag or commit.
        score_floor: instances must score above this.
        bf16: bf16 arithmetic in the vision encoder on CUDA.
        device: auto (CUDA when there is one), cpu, cuda, cuda:1, ...

    Raises:
        ValueError: the library or the weights are not there, or do not fit; a text that is too long.
    """
    folder = _folder(weights, revision)
    network, processor = _network(folder), _processor(folder)
    where = device_of(device)
    network = network.to(where)
    if where.type == "cuda" and bf16:
        run_in_bf16([network.vision_encoder], "cuda")
    asked = _encode(network, processor, prompts)
    names = np.array(list(prompts))

    def segment(frames: np.ndarray, _video: str = "") -> list[Instances]:
        with batch_that_fits(1, processor.image_processor.size["height"], "segment.weights"):
            return [_forward(network, processor, asked, frame[None], names, score_floor) for frame in frames]

    return segment


@torch.inference_mode()
def _forward(
    network: Any, processor: Any, asked: list[Prompt], frame: np.ndarray, names: np.ndarray, score_floor: float
) -> Instances:
    """Instances of a frame, uint8 (1, H, W, 3)."""
    images = list(upload(frame, network.device))
    pixels = processor.image_processor(images=images, return_tensors="pt", input_data_format="channels_first")
    seen = network.get_vision_features(pixel_values=pixels["pixel_values"].to(network.device))
    columns: list[list[Tensor]] = [[], [], [], []]  # masks on the grid, boxes, scores, labels
    for prompt in asked:
        found = network(vision_embeds=seen, text_embeds=prompt.features, attention_mask=prompt.mask)
        scores = (found.pred_logits.sigmoid() * found.presence_logits.sigmoid())[0]  # (Q,)
        best, queries = scores.topk(min(MAX_INSTANCES, len(scores)))
        queries, best = queries[best > score_floor], best[best > score_floor]
        placed = place_logits(found.pred_masks[0, queries].float())
        kept = placed.quality > 0
        own = (placed.masks, found.pred_boxes[0, queries], best, torch.full_like(queries, prompt.group))
        for column, part in zip(columns, own, strict=True):
            column.append(part[kept])
    order = torch.cat(columns[2]).argsort(descending=True, stable=True)
    shapes, boxes, values, labels = (torch.cat(column)[order] for column in columns)
    (instances,) = cut_frames(shapes, boxes, values, labels, names, [len(order)])
    return instances


@torch.inference_mode()
def _encode(network: Any, processor: Any, prompts: Mapping[str, Sequence[str]]) -> list[Prompt]:
    """All texts, each encoded once. Raises: ValueError for a text of more tokens than the encoder takes."""
    asked = []
    for group, tokens in _tokens(processor, prompts, network.text_encoder.config.max_position_embeddings):
        tokens = tokens.to(network.device)
        mask = tokens["attention_mask"]
        features = network.get_text_features(input_ids=tokens["input_ids"], attention_mask=mask)
        asked.append(Prompt(group, features, mask))
    return asked


def _tokens(processor: Any, prompts: Mapping[str, Sequence[str]], most: int) -> list[tuple[int, Any]]:
    """The number of its group and the tokens of each text. Raises: ValueError for a text of more than `most` tokens."""
    made = []
    for group, (name, texts) in enumerate(prompts.items()):
        for text in texts:
            tokens = processor(text=text, return_tensors="pt")
            if (got := tokens["input_ids"].shape[1]) > most:
                raise ValueError(
                    f"segment.prompts.{name}: expected texts of at most {most} tokens, got {got}: {text!r}"
                )
            made.append((group, tokens))
    return made


def check_weights(
    weights: str, revision: str | None, prompts: Mapping[str, Sequence[str]], *, load: bool = True
) -> None:
    """Check that weights that are here are SAM 3's and fit, and the prompts; the large file only to `load`.

    Raises:
        ValueError: as from `build`.
    """
    folder = _folder(weights, revision)
    _tokens(_processor(folder), prompts, _most_tokens(folder))
    if load:
        _network(folder)


def check_kind(folder: Path) -> None:
    """Check that a folder holds SAM 3 with its tokenizer, by the small files. Raises: ValueError."""
    kind = hub.read_config(folder).get("model_type")
    if kind not in MODEL_TYPES:
        expected = f"expected {' or '.join(MODEL_TYPES)}"
        raise ValueError(f"{folder / hub.CONFIG}: model_type, {expected}, got {kind!r}")
    if not (folder / hub.TOKENIZER).is_file():
        raise ValueError(f"{folder}: expected SAM 3's {hub.TOKENIZER} beside its weights, got none")


def _network(folder: Path) -> Any:
    """The network in evaluation mode. Raises: ValueError as `build`."""
    import transformers

    return load_network(transformers.Sam3Model, folder)


def _folder(weights: str, revision: str | None) -> Path:
    hub.check_library()
    folder = hub.folder_of(weights, revision, gated=hub.GATED)
    check_kind(folder)
    return folder


def _processor(folder: Path) -> Any:
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        return transformers.Sam3Processor.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # files of another library's version, or of something else
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{folder}: expected SAM 3's processor, got {type(error).__name__}: {reason}") from error


def _most_tokens(folder: Path) -> int:
    """How many tokens a text may have, by config.json as the library reads it."""
    import transformers

    config: Any = transformers.Sam3Config.from_pretrained(str(folder), local_files_only=True)
    return int(config.text_config.max_position_embeddings)
