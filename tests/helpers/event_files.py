"""Read back what TensorBoard and W&B have written."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

_BLOCK = 32768  # of LevelDB's log, the format of a .wandb file


def events(directory: Path) -> Any:
    """TensorBoard's own reader, which leaves out what a later start has voided."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(directory), size_guidance={"scalars": 0, "images": 0})
    found.Reload()
    return found


def image(encoded: bytes) -> np.ndarray:
    """A picture uint8 (H, W, 3) of an event."""
    from PIL import Image

    return np.asarray(Image.open(BytesIO(encoded)))


def histories(directory: Path) -> list[dict[str, Any]]:
    """What was logged to a run of W&B, a mapping for each call, over all its parts in their order."""
    from wandb.proto.wandb_internal_pb2 import Record

    lines = []
    for part in sorted(directory.glob("wandb/offline-run-*/*.wandb")):
        for content in _records(part.read_bytes()):
            record = Record()
            record.ParseFromString(content)
            if record.HasField("history"):
                items = record.history.item
                lines.append({"/".join(each.nested_key) or each.key: json.loads(each.value_json) for each in items})
    return lines


def _records(content: bytes) -> Iterator[bytes]:
    """The whole records of a log; one that was cut short is none."""
    at, parts = 7, b""  # behind the file's own header
    while at + 7 <= len(content):
        if _BLOCK - at % _BLOCK < 7:  # padding
            at += _BLOCK - at % _BLOCK
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        piece = content[at + 7 : at + 7 + length]
        if kind == 0 or len(piece) < length:
            return
        parts = piece if kind in (1, 2) else parts + piece
        if kind in (1, 4):
            yield parts
        at += 7 + length
