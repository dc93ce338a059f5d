"""What was found in a video: maps of its frames, answers of its clips, and numbers of both.

Shapes: N frames that the network saw, C clips, M maps, h/w grid of the maps, L classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from objabn.config.schema import Eval
from objabn.evaluation.metrics import is_flat, map_entropy, mean_over_frames


@dataclass(frozen=True)
class Explanation:
    """A network's maps and answer for one video.

    Attributes:
        video: the file, as it was given.
        run: the run's directory, as it was given, or the name of a network that was not trained here.
        class_names: L.
        probabilities: float32 (L,), of the video: the mean over its clips.
        clip_probabilities: float32 (C, L).
        clip_frames: int64 (C, 2), each clip's first frame and the one behind its last. The last clip overlaps with the
            one before, unless the clips fill the video.
        maps: by letter (u, o, b; g: Grad-CAM; s: at the split; l: LayerCAM; p: RISE; c: the centre; m: motion), float32
            (N, h, w) in [0, 1], over `box`. Those of g, s, l and p are of each clip's own most probable class.
        frames: int64 (N,), the maps' frames' numbers in the video, rising by the run's `frame_stride` times
            `decode.stride`.
        clip: int64 (N,), which clip each frame's maps come from.
        box: float32 (4,), x0, y0, x1, y1 in [0, 1] of the displayed frame: what the network saw of it.
        fps: frames a second of the video; 25 where the file does not tell.
        num_frames: of the video that could be decoded.
        promised_frames: that the file promises, None where it does not; if more than `num_frames`, it is cut or broken.
        evaluation: the run's parameters by which maps are measured.
        source: what explanation.json says of the network and the method.
    """

    video: str
    run: str
    class_names: tuple[str, ...]
    probabilities: np.ndarray
    clip_probabilities: np.ndarray
    clip_frames: np.ndarray
    maps: dict[str, np.ndarray]
    frames: np.ndarray
    clip: np.ndarray
    box: np.ndarray
    fps: float
    num_frames: int
    promised_frames: int | None
    evaluation: Eval
    source: Mapping[str, Any]

    @property
    def seconds(self) -> np.ndarray:
        """When each of `frames` is shown, float64 (N,); at a variable frame rate as if it were constant."""
        return self.frames / self.fps

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The k most probable classes of the video with their probabilities, the most probable first."""
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.class_names[number], float(self.probabilities[number])) for number in order]

    def arrays(self) -> dict[str, np.ndarray]:
        """What maps.npz holds; read it with `numpy.load`, nothing in it is pickled.

        maps float32 (M, N, h, w) in [0, 1], map_names str (M,), frames int64 (N,), seconds float64 (N,), clip int64
        (N,), box float32 (4,), probabilities float32 (C, L), clip_frames int64 (C, 2), class_names str (L,): as the
        attributes, `probabilities` those of the clips.
        """
        return {
            "maps": np.stack(list(self.maps.values())),
            "map_names": np.array(list(self.maps)),
            "frames": self.frames,
            "seconds": self.seconds,
            "clip": self.clip,
            "box": self.box,
            "probabilities": self.clip_probabilities,
            "clip_frames": self.clip_frames,
            "class_names": np.array(self.class_names),
        }

    def summary(self) -> dict[str, Any]:
        """What explanation.json says of the video, as JSON-serialisable values.

        Seconds, probabilities; of each map the mean entropy in bits over its frames (None when all are flat) and the
        share of flat ones.
        """
        best = self.clip_probabilities.argmax(axis=1)
        clips = [
            {
                "start": round(float(first / self.fps), 3),
                "end": round(float(end / self.fps), 3),
                "class": self.class_names[number],
                "probability": round(float(own[number]), 6),
            }
            for (first, end), number, own in zip(self.clip_frames, best, self.clip_probabilities, strict=True)
        ]
        return {
            "video": self.video,
            **self.source,
            "seconds": round(self.num_frames / self.fps, 3),
            "fps": self.fps,
            "frames": self.num_frames,
            "promised_frames": self.promised_frames,
            "frames_with_maps": len(self.frames),
            "top": [{"class": name, "probability": round(own, 6)} for name, own in self.top()],
            "clips": clips,
            "maps": {name: _figures(maps, self.evaluation) for name, maps in self.maps.items()},
        }


def _figures(maps: np.ndarray, evaluation: Eval) -> dict[str, float | None]:
    flat_range = evaluation.flat_range
    entropy = mean_over_frames(map_entropy(maps, flat_range, evaluation.entropy_bins, evaluation.entropy_size))
    return {
        "entropy_bits": None if np.isnan(entropy) else round(entropy, 6),
        "flat_share": round(float(is_flat(maps, flat_range).mean()), 6),
    }
