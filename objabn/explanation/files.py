"""The files of one explained video: overlay.mp4 while it runs, then strip.png, maps.npz and explanation.json."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from objabn.config.rows import NETWORK, Colours
from objabn.evaluation.trained import TrainedRun
from objabn.explanation.clip_stream import PlacedClip
from objabn.explanation.explanation import Explanation
from objabn.explanation.known_masks import KnownMasks
from objabn.explanation.models import is_model
from objabn.explanation.panels import Panels, crop_of
from objabn.index.names import printable
from objabn.model.run import versions
from objabn.report.names import map_label
from objabn.report.overlays import DEFAULT_COLOURS
from objabn.report.strips import MAX_FRAMES, VideoMaps, draw_maps
from objabn.system.files import replace_file, write_text
from objabn.video.read import resized
from objabn.video.write import open_writer

OVERLAY, STRIP, MAPS, EXPLANATION = "overlay.mp4", "strip.png", "maps.npz", "explanation.json"
_SIDE = 160  # of a frame in the strip, pixels; the longer one where pixels are no squares


class Overlay:
    """The overlay of a video while it is explained, and the few frames of it that the strip will show."""

    def __init__(
        self,
        folder: Path,
        panels: Panels,
        box: np.ndarray,
        masks: KnownMasks | None,
        fps: float,
        pixel_aspect: float,
        colours: Colours,
        write: Callable[[np.ndarray], None],
    ) -> None:
        self.folder, self.colours = folder, colours
        self._panels, self._box, self._masks, self._fps, self._write = panels, box, masks, fps, write
        self._crop = round(_SIDE / max(pixel_aspect, 1)), round(_SIDE * min(pixel_aspect, 1))  # in the strip
        self._num_frames = 0
        self._step = 1  # between the kept frames
        self._kept: list[tuple[int, np.ndarray, np.ndarray | None]] = []  # place, frame and mask of the crop

    @classmethod
    @contextmanager
    def open(
        cls,
        folder: Path,
        size: tuple[int, int],
        box: np.ndarray,
        maps: list[str],
        masks: KnownMasks | None,
        *,
        rate: float,
        fps: float,
        pixel_aspect: float = 1.0,
        colours: Colours = DEFAULT_COLOURS,
    ) -> "Iterator[Overlay]":
        """An overlay whose mp4 appears in `folder` when the block ends without an exception.

        Args:
            size: (height, width) of a panel.
            box: x0, y0, x1, y1 in [0, 1] of the frame: what the network sees.
            maps: their letters.
            masks: where they are known.
            rate: pictures a second. fps: frames a second of the video.
            pixel_aspect: width of the video's pixels by their height; `size` allows for it already.
            colours: of the maps, in the strip, too.
        """
        labels = [map_label(name) for name in maps]
        panels = Panels(size, box, labels, with_mask=masks is not None, colours=colours)
        is_new = not folder.exists()
        try:
            with open_writer(folder / OVERLAY, *panels.size, fps=rate) as write:
                yield cls(folder, panels, box, masks, fps, pixel_aspect, colours, write)
        except BaseException:
            if is_new:
                with suppress(OSError):  # it never came to be
                    folder.rmdir()
            raise

    def add(self, clip: PlacedClip, maps: dict[str, np.ndarray], title: str) -> None:
        """Write a clip's new frames.

        Args:
            maps: float (n, h, w) of these frames, by letter.
            title: of the clip.
        """
        masks = [None] * len(clip.numbers) if self._masks is None else self._masks.read(clip.numbers)
        for at, (number, frame, mask) in enumerate(zip(clip.numbers.tolist(), clip.shown, masks, strict=True)):
            own = {name: each[at] for name, each in maps.items()}
            self._write(self._panels.draw(frame, own, mask, title, number / self._fps))
            self._keep(frame, mask)

    def _keep(self, frame: np.ndarray, mask: np.ndarray | None) -> None:
        """Keep frames that are evenly spread over what has come so far: half of them go when they are too many."""
        if self._num_frames % self._step == 0:
            crop = resized(np.ascontiguousarray(frame[crop_of(self._box, frame.shape[:2])]), self._crop)
            cells = None if mask is None else mask[crop_of(self._box, mask.shape[:2])].copy()
            self._kept.append((self._num_frames, crop, cells))
            if len(self._kept) > 4 * MAX_FRAMES:
                self._kept, self._step = self._kept[::2], 2 * self._step
        self._num_frames += 1

    def strip(self, explanation: Explanation) -> VideoMaps:
        """At most 8 frames spread over the whole video, with their maps and masks."""
        wanted = np.linspace(0, self._num_frames - 1, min(MAX_FRAMES, self._num_frames))
        kept = np.array([at for at, _, _ in self._kept])
        chosen = [self._kept[int(np.abs(kept - place).argmin())] for place in wanted]
        places = [at for at, _, _ in chosen]
        masks = [cells for _, _, cells in chosen if cells is not None]
        name, probability = explanation.top(1)[0]
        return VideoMaps(
            f"{name}  {probability:.0%}  ({printable(Path(explanation.video).name)})",
            np.stack([crop for _, crop, _ in chosen]),
            {letter: maps[places] for letter, maps in explanation.maps.items()},
            np.stack(masks) if masks else None,
            explanation.seconds[places],
        )


def write_files(explanation: Explanation, run: TrainedRun, overlay: Overlay) -> None:
    """Write strip.png, maps.npz and explanation.json beside the overlay, the last one last."""
    folder = overlay.folder
    draw_maps([overlay.strip(explanation)], folder / STRIP, side=_SIDE, colours=overlay.colours)
    with replace_file(folder / MAPS) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **explanation.arrays())
    content = {**explanation.summary(), **_described(run), "device": str(run.device), "versions": versions(_spec(run))}
    write_text(folder / EXPLANATION, json.dumps(content, indent=2, allow_nan=False) + "\n")


def _spec(run: TrainedRun) -> str:
    """Which network a run has, as `model.backbone` or a control's `network` names it."""
    named = run.record.get(NETWORK)
    return run.params.model.backbone if named is None else named["spec"]


def _described(run: TrainedRun) -> dict[str, Any]:
    """What a run was trained as; nothing of a network that was not trained here."""
    return {} if is_model(run) else {name: run.record.get(name) for name in ("attention", "pc", "seed", "control")}
