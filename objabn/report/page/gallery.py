"""The report's gallery: frames, masks and every row's maps of the chosen videos, for the page's script.

T frames of a clip, S side of a picture in pixels, h/w grid of the maps.
"""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from PIL import Image

from objabn.clips.geometry import resample_masks
from objabn.config.rows import Colours
from objabn.config.schema import Dataset
from objabn.evaluation.kept_maps import KeptMaps
from objabn.report.kept_clips import seen_clip
from objabn.report.names import MAP_NAMES, Row
from objabn.report.overlays import DEFAULT_COLOURS, palette
from objabn.report.page.gallery_choice import Order, choose, fitting
from objabn.stores.frames import Reader
from objabn.stores.masks import group_names, union_mask
from objabn.stores.truth import TruthReader

MAX_PIXELS, LONG_PIXELS = 160, 112  # side of a frame; of clips of more than SHORT frames
SHORT = 8
MOST_BYTES = 1_250_000  # of all videos together: a page has at most 4 MB
_QUALITY = 80  # of the frames' JPEG


class Stores(NamedTuple):
    """What there was to see in the videos: readers of the data set's frames, masks and, or None, ground truth."""

    frames: Reader
    masks: Reader
    truth: TruthReader | None


def make_gallery(
    per_video: Mapping[Row, pd.DataFrame],
    kept: Mapping[Row, KeptMaps],
    seed: int,
    stores: Stores,
    params: Dataset,
    colours: Colours = DEFAULT_COLOURS,
) -> tuple[dict[str, Any], list[str]]:
    """The gallery of these rows, as `gallery` gives it, and the names of rows that it leaves out (`shared_rows`).

    Args:
        per_video: results of each video and seed, columns as for `gallery_choice.choose`, predicted and seed.
        kept: maps of each row, all of `seed`.
    """
    shared = shared_rows(kept)
    videos = next(iter(shared.values())).videos
    lines = {row: per_video[row] for row in shared}
    tables = {row: each[(each["seed"] == seed) & each["video"].isin(videos)] for row, each in lines.items()}
    shown = gallery(choose(tables), tables, shared, stores, params, colours)
    return shown, [row.name for row in kept if row not in shared]


def shared_rows(kept: Mapping[Row, KeptMaps]) -> dict[Row, KeptMaps]:
    """The rows whose maps belong to the same frames as the last row's; a control may look at others (`data`).

    Raises:
        ValueError: a row has maps of other videos than the last one.
    """
    last, reference = list(kept.items())[-1]
    for row, own in kept.items():
        if not np.array_equal(own.videos, reference.videos):
            raise ValueError(
                f"maps of {row.name}: expected the {len(reference.videos)} videos of {last.name}, got "
                f"{len(own.videos)}, or others; evaluate both again"
            )
    return {
        row: own
        for row, own in kept.items()
        if np.array_equal(own.frames, reference.frames) and np.array_equal(own.boxes, reference.boxes)
    }


def gallery(
    orders: Sequence[Order],
    tables: Mapping[Row, pd.DataFrame],
    kept: Mapping[Row, KeptMaps],
    stores: Stores,
    params: Dataset,
    colours: Colours = DEFAULT_COLOURS,
) -> dict[str, Any]:
    """All that the page's script shows, ready for JSON. Bytes are base64.

    Args:
        tables: of each row a line a video of the results of `kept`'s seed.
        kept: as `shared_rows` gives them.

    Returns:
        `pixels`: S; `colours`: 256 x RGB; `rows`: names; `orders`: name, words and videos, positions in `videos`;
        `videos`: id, label, `numbers` of the frames in the video, `strip` (a JPEG of the T grey frames, one below the
        other, as data: URL), `masks` and `truth` (grids of 0 and 1, or null) and `rows`: predicted, right and its
        `maps`. A grid is `height`, `width` and `data`, uint8 (T, h, w); the truth's has `known` (T,), whether a frame
        has an annotation, and is null where none has; a map's has its name, entropy in bits (null where it is flat)
        and iou with the truth, or the masks (null).
    """
    chosen = list(dict.fromkeys(video for order in orders for video in order.videos))
    lines = {row: tables[row].set_index("video").to_dict("index") for row in kept}
    pixels = min(MAX_PIXELS if params.data.num_frames <= SHORT else LONG_PIXELS, params.data.crop)
    reference = list(kept.values())[-1]  # its grid is the masks', too: a control may have another
    places = {video: at for at, video in enumerate(reference.videos.tolist())}
    has_truth = stores.truth is not None
    videos = {}
    for video in chosen:
        at = places[video]
        seen = _seen(reference, at, stores, params, pixels)
        rows = [_row_maps(lines[row][video], own, at, has_truth) for row, own in kept.items()]
        label = str(next(iter(lines.values()))[video]["label"])
        videos[video] = {"id": video, "label": label, **seen, "rows": rows}
    shown = fitting(orders, {video: len(json.dumps(own)) for video, own in videos.items()}, MOST_BYTES)
    positions = {video: at for at, video in enumerate(dict.fromkeys(each for own in shown for each in own.videos))}
    return {
        "pixels": pixels,
        "finer": params.data.crop > pixels,  # what the network saw
        "colours": _text(palette(colours).round()),
        "rows": [row.name for row in kept],
        "target": "the truth" if has_truth else "the training masks",
        "orders": [
            {"name": order.name, "words": order.words, "videos": [positions[video] for video in order.videos]}
            for order in shown
        ],
        "videos": [videos[video] for video in positions],
    }


def _seen(kept: KeptMaps, at: int, stores: Stores, params: Dataset, pixels: int) -> dict[str, Any]:
    """Frames and masks of a clip, in the crop that the network saw; masks as the evaluation resamples them."""
    video, numbers, grid = str(kept.videos[at]), kept.frames[at], kept.maps.shape[-1]
    boxes, flips = torch.from_numpy(kept.boxes[at])[None], torch.zeros(1, dtype=torch.bool)
    grey = seen_clip(kept, at, stores.frames, pixels).mean(dim=0).round().byte().numpy()  # (T, S, S)
    found: dict[str, Any] = {
        "numbers": (numbers * params.decode.stride).tolist(),
        "strip": jpeg_url(Image.fromarray(grey.reshape(-1, pixels)), _QUALITY),
    }

    def cells(union: np.ndarray, resize: str) -> dict[str, Any]:
        return _grid(resample_masks(torch.from_numpy(union)[None], boxes, flips, grid, resize)[0].byte().numpy())

    planes, mask = stores.masks.read(video, numbers), params.mask
    union = union_mask(planes, mask.score_threshold, mask.groups, group_names(stores.masks))
    found |= {"masks": cells(union, params.mask.resize), "truth": None}
    if stores.truth is not None and (known := stores.truth.known(video, numbers)).any():
        found["truth"] = {**cells(stores.truth.union(video, numbers), "area"), "known": known.tolist()}
    return found


def _row_maps(line: Mapping[Any, Any], kept: KeptMaps, at: int, has_truth: bool) -> dict[str, Any]:
    """A row's prediction for a video, and its maps."""
    maps = []
    for letter, own in zip(kept.map_names.tolist(), kept.maps[at], strict=True):
        iou = line.get(f"iou_truth_{letter}" if has_truth else f"iou_fit_{letter}")
        numbers = {"entropy": _number(line.get(f"entropy_{letter}")), "iou": _number(iou)}
        maps.append({"name": MAP_NAMES[letter], **numbers, **_grid(own)})
    return {"predicted": str(line["predicted"]), "right": bool(line["top1"]), "maps": maps}


def _number(value: float | None) -> float | None:
    return None if value is None or pd.isna(value) else round(float(value), 3)


def _grid(cells: np.ndarray) -> dict[str, Any]:
    """uint8 (T, h, w)."""
    return {"height": cells.shape[1], "width": cells.shape[2], "data": _text(cells)}


def _text(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, np.uint8).tobytes()).decode()


def jpeg_url(picture: Image.Image, quality: int) -> str:
    """A JPEG, as data: URL."""
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
