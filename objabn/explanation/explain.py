"""What a trained network sees in any video: its maps of the whole video, its answer, and files that show them.

    run = load("runs/synthetic/mask/pc-true")
    found = explain("holiday.mp4", run, out="explained/holiday")
    found.top(5), found.maps["o"], found.seconds

Shapes: N frames that the network saw, C clips, T frames of a clip, M maps, h/w grid of the maps, L classes.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from objabn.clips.geometry import resample_clips
from objabn.clips.sampling import crop_box
from objabn.evaluation.maps import logits_and_maps
from objabn.evaluation.trained import SHIPPED, TrainedRun, load
from objabn.explanation.clip_stream import PlacedClip, end_to_end
from objabn.explanation.explanation import Explanation
from objabn.explanation.files import Overlay, write_files
from objabn.explanation.frame_stream import stream_video
from objabn.explanation.known_masks import find_masks
from objabn.explanation.panels import panel_size
from objabn.progress import progress

__all__ = ["Explanation", "TrainedRun", "explain", "load"]

FPS = 25.0  # assumed where a file does not tell
# Clips of a forward pass: as many as these pixels are, and no more than so many. X3D-M's 16 x 224 x 224: 2 on a CPU.
_AT_ONCE = {"cpu": (2 * 16 * 224**2, 4), "cuda": (16 * 16 * 224**2, 16)}


class _Seen(NamedTuple):
    """A clip, and what the network made of it."""

    clip: PlacedClip
    probabilities: np.ndarray  # float32 (L,)
    maps: np.ndarray  # float32 (M, n, h, w), of the new frames


def explain(
    video: str | PathLike[str],
    run: str | PathLike[str] | TrainedRun = SHIPPED,
    *,
    maps: Sequence[str] | None = None,
    out: str | PathLike[str] | None = None,
    device: str = "auto",
) -> Explanation:
    """Maps and answer of a trained network for one video of any length and size.

    The network sees what it would in evaluation: the frame at the size of the run's frame store (without the losses of
    a store of jpegs), its centre crop, clips of `data.num_frames` frames with the distance `data.frame_stride`, counted
    in frames that `decode.stride` keeps. The clips stand end to end; the last one takes the video's last frames, and
    keeps of its maps those of frames that have none yet. A video shorter than a clip is padded as `data.pad` says; what
    is repeated has no maps here. The video's probabilities are the mean over clips.

    Overlay and strip show an anamorphic video (pixels that are no squares) in its right shape. The network sees its
    frames at the store's size, as in evaluation; maps and `box` are over shares of the frame, in whatever shape.

    Memory does not grow with the video, but for the maps (about 1 MB a minute).

    Args:
        video: the file.
        run: a run's directory (or the parent of several seeds': the lowest), or what `load` made of it. Without it, the
            run that comes with the package, which knows eight drawn actions.
        maps: letters of those wanted, of the run's own (u, o, b; g, Grad-CAM, of a run without an attention branch);
            None takes all.
        out: a directory, made when missing, to write overlay.mp4, strip.png, maps.npz and explanation.json to, each
            whole or not at all; None writes nothing. maps.npz: `Explanation.arrays`.
        device: "auto", "cpu" or "cuda", where `run` is not loaded yet.

    Raises:
        ValueError: no such run, map or device; a network that yields numbers that are not finite.
        VideoError: no frame of the video can be had (a ValueError, too).
    """
    loaded = run if isinstance(run, TrainedRun) else load(run, device=device)
    names = check_maps(maps, loaded)
    path, data, decode = Path(video), loaded.params.data, loaded.params.decode
    stream = stream_video(path)
    info, fps = stream.info, stream.info.fps or FPS
    box, _ = crop_box(data, info.height, info.width, None)
    shown = panel_size(info.height, info.width * info.pixel_aspect)
    count = 0  # frames

    def frames() -> Iterator[np.ndarray]:
        nonlocal count
        for frame in progress(stream, total=stream.packets, desc=path.name, unit="frame", leave=False, disable=None):
            count += 1
            if (count - 1) % decode.stride == 0:  # numbered from here on as in the store
                yield frame

    clips = end_to_end(frames(), data, (decode.height, decode.width), shown)
    collected: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []
    with ExitStack() as stack:
        overlay = None
        if out is not None:
            masks = find_masks(path, -(-stream.packets // decode.stride), loaded.directory, loaded.params)
            stored_fps = fps / decode.stride
            rate = stored_fps / data.frame_stride
            opened = Overlay.open(
                Path(out), shown, box, names, masks, rate=rate, fps=stored_fps, pixel_aspect=info.pixel_aspect
            )
            overlay = stack.enter_context(opened)
        for seen in _seen(loaded, names, box, clips):
            collected.append((seen.clip.start, seen.clip.numbers, seen.probabilities, seen.maps))
            if overlay is not None:
                best = int(seen.probabilities.argmax())
                title = f"{seen.probabilities[best]:.0%}  {loaded.class_names[best]}"  # a long name is cut at its end
                overlay.add(seen.clip, dict(zip(names, seen.maps, strict=True)), title)
    starts, numbers, probabilities, found = zip(*collected, strict=True)
    span = (data.num_frames - 1) * data.frame_stride * decode.stride + 1
    first = [start * decode.stride for start in starts]
    explanation = Explanation(
        video=path.as_posix(),
        run=loaded.directory.as_posix(),
        class_names=loaded.class_names,
        probabilities=np.stack(probabilities).mean(axis=0),
        clip_probabilities=np.stack(probabilities),
        clip_frames=np.array([(start, min(start + span, count)) for start in first], np.int64),
        maps=dict(zip(names, np.concatenate(found, axis=1), strict=True)),
        frames=np.concatenate(numbers).astype(np.int64) * decode.stride,
        clip=np.repeat(np.arange(len(starts)), [len(each) for each in numbers]),
        box=box,
        fps=fps,
        num_frames=count,
        promised_frames=info.container_frames,
        evaluation=loaded.params.eval,
    )
    if overlay is not None:
        write_files(explanation, loaded, overlay)
    return explanation


def check_maps(maps: Sequence[str] | None, run: TrainedRun) -> list[str]:
    """The wanted maps' letters, in the run's order; all for None. Raises: ValueError for one that the run has not."""
    if maps is None:
        return list(run.maps)
    if not maps or not set(maps) <= set(run.maps):
        own = ", ".join(run.maps)
        raise ValueError(
            f"map: expected one of {own}, the maps of {run.directory} ({run.attention}), got {', '.join(maps)}"
        )
    return [name for name in run.maps if name in maps]


def _seen(run: TrainedRun, names: list[str], box: np.ndarray, clips: Iterable[PlacedClip]) -> Iterator[_Seen]:
    """Passes clips through the network, several at a time.

    Raises:
        ValueError: logits or maps that are not finite.
    """
    data, layer = run.params.data, run.params.gradcam.layer
    pixels, most = _AT_ONCE[run.device.type]
    at_once = min(max(pixels // (data.num_frames * data.crop**2), 1), most)
    chosen = [run.maps.index(name) for name in names]
    waiting = iter(clips)
    while batch := list(islice(waiting, at_once)):
        frames = torch.from_numpy(np.stack([clip.frames for clip in batch])).to(run.device)
        boxes = torch.from_numpy(box).to(run.device).expand(len(batch), 4)
        flips = torch.zeros(len(batch), dtype=torch.bool, device=run.device)
        logits, maps = logits_and_maps(run.model, resample_clips(frames, boxes, flips, data.crop), layer)
        if not (logits.isfinite().all() and maps.isfinite().all()):
            raise ValueError(f"{run.directory}: its logits or maps are not finite: its training went wrong")
        probabilities, of_clips = logits.softmax(dim=1).cpu().numpy(), maps[:, chosen].cpu().numpy()
        for clip, own, its in zip(batch, probabilities, of_clips, strict=True):
            yield _Seen(clip, own, its[:, clip.new].copy())  # a copy, or the batch's would stay
