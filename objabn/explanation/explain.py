"""What a trained network sees in any video: its maps of the whole video, its answer, and files that show them.

    run = load("runs/synthetic/mask/pc-true")
    found = explain("holiday.mp4", run, out="explained/holiday")
    found.top(5), found.maps["o"], found.seconds
    found = explain("holiday.mp4", model="torchvision:r3d_18", weights="r3d_18-b3b3357e.pth", method="layer-cam")

Shapes: N frames that the network saw, C clips, T frames of a clip, M maps, h/w grid of the maps, L classes.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor, nn

from objabn.audits.perturbation import perturbation_maps
from objabn.clips.geometry import resample_clips
from objabn.config.rows import METHODS, NETWORK, PERTURBATION, Colours
from objabn.config.schema import Data
from objabn.evaluation.maps import logits_and_maps
from objabn.evaluation.passes import PERTURBATIONS
from objabn.evaluation.posthoc import posthoc_maps
from objabn.evaluation.trained import SHIPPED, TrainedRun, load, why_not_finite
from objabn.explanation.clip_stream import PlacedClip, end_to_end
from objabn.explanation.explanation import Explanation
from objabn.explanation.files import Overlay, write_files
from objabn.explanation.frame_stream import stream_video
from objabn.explanation.inputs import complain
from objabn.explanation.known_masks import find_masks
from objabn.explanation.models import framing, is_model, load_model
from objabn.explanation.panels import panel_size
from objabn.index.names import printable
from objabn.progress import progress
from objabn.report.overlays import DEFAULT_COLOURS

__all__ = ["Explanation", "TrainedRun", "explain", "load", "load_model"]

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
    run: str | PathLike[str] | TrainedRun | None = None,
    *,
    model: str | nn.Module | TrainedRun | None = None,
    weights: str | None = None,
    method: str | None = None,
    maps: Sequence[str] | None = None,
    out: str | PathLike[str] | None = None,
    device: str = "auto",
    colours: Colours = DEFAULT_COLOURS,
) -> Explanation:
    """Maps and answer of a trained network for one video of any length and size.

    A run's network sees what it would in evaluation: the frame at the size of the run's frame store (without the losses
    of a store of jpegs), its centre crop, clips of `data.num_frames` frames with the distance `data.frame_stride`,
    counted in frames that `decode.stride` keeps. The clips stand end to end; the last one takes the video's last
    frames, and keeps of its maps those of frames that have none yet. A video shorter than a clip is padded as
    `data.pad` says; what is repeated has no maps here. The video's probabilities are the mean over clips.

    A network that was not trained here sees clips of its own number of frames, every second frame of the video, and of
    these the centre square: `load_model` changes that.

    Overlay and strip show an anamorphic video (pixels that are no squares) in its right shape. The network sees its
    frames at the store's size, as in evaluation; maps and `box` are over shares of the frame, in whatever shape.

    Memory does not grow with the video, but for the maps (about 1 MB a minute).

    Args:
        video: the file.
        run: a run's directory (or the parent of several seeds': the lowest), or what `load` made of it. Without it, and
            without `model`, the run that comes with the package, which knows eight drawn actions.
        model: in place of a run, a network that was not trained here: a text that names it, an `Adapter`, a module, or
            what `load_model` made of one.
        weights: of a model that a text names: a file, or "random"; None: its own.
        method: "grad-cam", "grad-cam-split" (at the layer that attention branches stand behind), "layer-cam", "rise"
            (256 passes of the network a clip), or what knows nothing of the network, "centre" and "motion". None: a
            run's own maps; Grad-CAM of a model.
        maps: without a method, letters of those wanted, of the run's own (u, o, b; g, Grad-CAM, of a run without an
            attention branch); None takes all.
        out: a directory, made when missing, to write overlay.mp4, strip.png, maps.npz and explanation.json to, each
            whole or not at all; None writes nothing. maps.npz: `Explanation.arrays`.
        device: "auto", "cpu" or "cuda", where nothing is loaded yet.
        colours: of the maps in what is written: "turbo", "viridis" or "jet".

    Raises:
        ValueError: no such run, model, method, map, colours or device, or a run beside a model; a network that yields
            numbers that are not finite.
        VideoError: no frame of the video can be had (a ValueError, too).
    """
    if colours not in get_args(Colours):
        raise ValueError(f"colours: expected one of {', '.join(get_args(Colours))}, got {colours!r}")
    loaded = _loaded(run, model, weights, device)
    names = check_method(method, maps, loaded)
    path, data, decode = Path(video), loaded.params.data, loaded.params.decode
    stream = stream_video(path)
    info, fps = stream.info, stream.info.fps or FPS
    stored, box = framing(loaded, info.height, info.width, info.pixel_aspect)
    shown = panel_size(info.height, info.width * info.pixel_aspect)
    if PERTURBATION in names:
        tell_passes(path, -(-stream.packets // decode.stride), data)
    count = 0  # frames

    def frames() -> Iterator[np.ndarray]:
        nonlocal count
        for frame in progress(stream, total=stream.packets, desc=path.name, unit="frame", leave=False, disable=None):
            count += 1
            if (count - 1) % decode.stride == 0:  # numbered from here on as in the store
                yield frame

    clips = end_to_end(frames(), data, stored, shown)
    collected: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []
    with ExitStack() as stack:
        overlay = None
        if out is not None:
            masks = find_masks(path, -(-stream.packets // decode.stride), loaded.directory, loaded.params)
            stored_fps = fps / decode.stride
            rate = stored_fps / data.frame_stride
            aspect = info.pixel_aspect
            opened = Overlay.open(
                Path(out), shown, box, names, masks, rate=rate, fps=stored_fps, pixel_aspect=aspect, colours=colours
            )
            overlay = stack.enter_context(opened)
        for seen in _seen(loaded, names, box, clips, path.as_posix()):
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
        source=_source(loaded, names),
    )
    if overlay is not None:
        write_files(explanation, loaded, overlay)
    return explanation


def _loaded(
    run: str | PathLike[str] | TrainedRun | None,
    model: str | nn.Module | TrainedRun | None,
    weights: str | None,
    device: str,
) -> TrainedRun:
    if model is None:
        if weights is not None:
            raise ValueError(f"weights: expected None without a model, got {weights!r}")
        return run if isinstance(run, TrainedRun) else load(SHIPPED if run is None else run, device=device)
    if run is not None:
        raise ValueError("explain: expected a run or a model, got both")
    return model if isinstance(model, TrainedRun) else load_model(model, weights=weights, device=device)


def check_method(method: str | None, maps: Sequence[str] | None, run: TrainedRun) -> list[str]:
    """The letters of a method's map, or of the wanted ones of the run's own.

    Raises:
        ValueError: there is no such method or map, or both are given.
    """
    if method is None:
        return check_maps(maps, run)
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {method!r}")
    if maps is not None:
        raise ValueError(f"map: expected none beside the method {method}, got {', '.join(maps)}")
    return [METHODS[method]]


def tell_passes(video: Path, num_frames: int, data: Data) -> None:
    """Say on stderr what RISE will take for a video of so many frames."""
    clips = max(-(-num_frames // (data.num_frames * data.frame_stride)), 1)
    total = f"{clips * PERTURBATIONS:,} passes of the network, {PERTURBATIONS} for each of {clips} clips"
    complain(f"{printable(str(video))}: {total}")


def _source(run: TrainedRun, names: list[str]) -> dict[str, Any]:
    """What explanation.json says of who was asked and how."""
    own, data = run.record.get(NETWORK), run.params.data
    said: dict[str, Any] = {} if is_model(run) else {"run": run.directory.as_posix()}
    if own is not None:
        sees = {"num_frames": data.num_frames, "frame_stride": data.frame_stride, "size": data.crop}
        said |= {"network": own["spec"], "weights": own["weights"], "digests": own["digests"], **sees}
    elif set(names) <= set(run.maps):
        return said
    [letter] = names
    split = run.params.model.split if own is None else own["split"]
    layers = {"g": run.params.gradcam.layer, "l": run.params.gradcam.layer, "s": split}
    method = next(name for name, of in METHODS.items() if of == letter)
    return {**said, "method": method, "layer": layers.get(letter)}


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


def _seen(
    run: TrainedRun, names: list[str], box: np.ndarray, clips: Iterable[PlacedClip], video: str
) -> Iterator[_Seen]:
    """Passes clips through the network, several at a time.

    Raises:
        ValueError: logits or maps that are not finite.
    """
    data = run.params.data
    pixels, most = _AT_ONCE[run.device.type]
    at_once = min(max(pixels // (data.num_frames * data.crop**2), 1), most)
    waiting = iter(clips)
    while batch := list(islice(waiting, at_once)):
        frames = torch.from_numpy(np.stack([clip.frames for clip in batch])).to(run.device)
        boxes = torch.from_numpy(box).to(run.device).expand(len(batch), 4)
        flips = torch.zeros(len(batch), dtype=torch.bool, device=run.device)
        logits, maps = _maps(run, names, resample_clips(frames, boxes, flips, data.crop), video)
        if not (logits.isfinite().all() and maps.isfinite().all()):
            raise ValueError(f"{run.directory}: its logits or maps are not finite: {why_not_finite(run.model)}")
        probabilities, of_clips = logits.softmax(dim=1).cpu().numpy(), maps.cpu().numpy()
        for clip, own, its in zip(batch, probabilities, of_clips, strict=True):
            yield _Seen(clip, own, its[:, clip.new].copy())  # a copy, or the batch's would stay


def _maps(run: TrainedRun, names: list[str], clips: Tensor, video: str) -> tuple[Tensor, Tensor]:
    """Logits (B, L) of clips and their maps of these letters, (B, n, T, h, w)."""
    layer = run.params.gradcam.layer
    if set(names) <= set(run.maps):
        logits, maps = logits_and_maps(run.model, clips, layer)
        return logits, maps[:, [run.maps.index(name) for name in names]]
    [letter] = names
    if letter != PERTURBATION:
        found = posthoc_maps(run.model, clips, layer)
        return found.output.perception_logits, found.maps[letter]
    with torch.no_grad():
        logits = run.model(clips).perception_logits
    return logits, perturbation_maps(run.model, clips, [video] * len(clips), logits.argmax(dim=1))
