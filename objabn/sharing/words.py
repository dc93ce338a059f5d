"""Write parts of a model card's sentences: data, masks, weights, and texts of the user's."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from objabn.stores.splits import folds

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|#])")
_FOLDERS = re.compile(r"^(hf:)?(?=/|~|\.\./|[A-Za-z]:\\).*[/\\](?=.)")  # of a path outside the checkout


def data_words(dataset: str, num_classes: int, videos: pd.DataFrame | None) -> str:
    """Name the data set and count its videos.

    Args:
        videos: the index, column `split`; None where it is not there.
    """
    named = f"`{dataset}`, {num_classes} classes"
    if videos is None:
        return named
    splits = videos["split"]
    if known := folds(splits):
        return f"{named}, {len(splits)} videos in {len(known)} folds, a network a fold"
    counts = splits.value_counts()
    words = {"train": "for training", "val": "for validation", "test": "for testing"}
    of_splits = [f"{counts[split]} videos {what}" for split, what in words.items() if split in counts]
    return f"{named}, {', '.join(of_splits)}"


def mask_words(record: Mapping[str, Any], segmenter: Mapping[str, Any] | None, *, drawn: bool) -> str:
    """Say which masks a row was trained with.

    Args:
        record: run.json. segmenter: as results/<ds>/segment.json says; None where nobody knows.
        drawn: whether the code has drawn the videos, and so their true masks.
    """
    if record["attention"] not in ("mask", "mha"):
        return "none"
    masks = record.get("masks", "own")
    kind = masks["of"] if isinstance(masks, dict) else masks
    truth = "the true masks" if drawn else "the data set's true masks or boxes"
    words = {"truth": truth, "motion": "what moves before a still camera"}
    if kind in words:
        return words[kind]
    changed = {"shifted": ", moved to another place on purpose", "other": ", of other videos on purpose"}
    return f"{_segmenter_words(segmenter)}{changed.get(kind, '')}"


def _segmenter_words(made: Mapping[str, Any] | None) -> str:
    """Name a segmenter by its backend and its model or weights."""
    if made is None:
        return "of an unknown segmenter"
    if made["backend"] == "import":
        return "imported masks"
    model = made.get("model") or made.get("weights")
    return f"of the segmenter {plain(' '.join(filter(None, [made['backend'], model])))}"


def weights_words(pretrained: str | None) -> str:
    """Say what the backbone's weights were before the training."""
    if pretrained is None:
        return "trained from scratch"
    return f"pretrained weights {plain(Path(pretrained).name)}"


def plain(text: str) -> str:
    r"""Write a text of the user's so that Markdown takes it literally.

    >>> plain("sit <b> a_b")
    'sit \\<b\\> a\\_b'
    """
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def short(spec: str) -> str:
    """Leave out the folders of a backbone that lies outside the checkout.

    >>> short("hf:/home/me/mine"), short("~/net.py:make"), short("hf:some/model"), short("torchvision:r3d_18")
    ('hf:mine', 'net.py:make', 'hf:some/model', 'torchvision:r3d_18')
    """
    return _FOLDERS.sub(r"\1", spec)
