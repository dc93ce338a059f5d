"""Ask a network what its maps do to its answer; the network is any callable that users hand over.

What the callable is given is of the kind that was handed over: arrays, or tensors on their device.

Shapes: B clips, C colours, T frames, S crop in pixels, h/w grid of the maps, n + 1 points of a curve.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from objabn.measures.checks import answers, array, map_values, numbers, same_shape, shown, whole
from objabn.model.weighting import even_weights

Probability = Callable[[Any], Any]  # of each clip's answer, (B,), for clips or maps
_CLIPS = "(B, C, T, S, S)"
_MAPS = "(B, T, h, w)"
_FLOATS = (np.float16, np.float32, np.float64)  # of arrays, those that torch has


class Curves(NamedTuple):
    """What insertion and deletion say of maps; all float64.

    Attributes:
        shares: of the cells or frames that are shown or taken away, (n + 1,) from 0 to 1.
        insertion, deletion: the callable's numbers at each share, (B, n + 1).
        insertion_area, deletion_area: the areas under them, (B,). A map that ranks well has much insertion and little
            deletion; compare both with those of random maps.
    """

    shares: np.ndarray
    insertion: np.ndarray
    deletion: np.ndarray
    insertion_area: np.ndarray
    deletion_area: np.ndarray


def insertion_deletion(
    clips: Any,
    maps: Any,
    probability: Probability,
    *,
    along: str = "space",
    shares: Sequence[float] | None = None,
    ties: Any = None,
) -> Curves:
    """Measure how well maps rank what an answer needs.

    How fast does it come or go when what the map ranks first is shown or taken away? In space each frame's cells are
    ranked by its map, and what is away is blurred. In time the frames are ranked by the mean of their map, and what is
    away repeats another frame. After RISE (Petsiuk et al. 2018), there for images and their pixels.

    Args:
        clips: as the network takes them, floating-point numbers (B, C, T, S, S).
        maps: finite numbers (B, T, h, w), for each frame; in space h and w are at most S, or some cells would never be
            shown.
        probability: for clips of that shape the probability of the answer that each of the B whole clips had, (B,).
        along: "space" or "time".
        shares: at which the network is asked, with 0 and 1; None: 0, 0.05, 0.1, 0.2, 0.4, 0.7 and 1. Each share costs
            two passes, 0 and 1 one.
        ties: numbers (B, T, h, w) in whose order cells come that a map holds equal; None draws them.

    Raises:
        ValueError: clips, maps or ties of another shape, maps that are finer than the clips, a value that is not
            finite, shares without 0 and 1, or a callable that does not return B finite numbers.

    >>> frames = np.zeros((1, 3, 3, 2, 2), np.float32)
    >>> frames[:, :, 2] = 1  # of three frames the last one is bright, and the answer is as probable as that one is
    >>> maps = [[[[0.1]], [[0.2]], [[0.9]]]]
    >>> found = insertion_deletion(frames, maps, lambda clips: clips[:, 0, 2].mean(axis=(1, 2)), along="time",
    ...                            shares=(0, 1 / 3, 1))
    >>> found.insertion.tolist(), found.deletion.tolist()  # the first frame of the ranking is all that counts
    ([[0.0, 1.0, 1.0]], [[1.0, 0.0, 0.0]])
    >>> found.insertion_area.round(4).item(), found.deletion_area.round(4).item()  # 1/6 + 2/3, and 1/6
    (0.8333, 0.1667)
    """
    from objabn.evaluation import insertion_deletion as ranked  # here: torchvision takes seconds to import

    video = _tensor(clips, "clips", _CLIPS)
    values = map_values(maps, shape=_MAPS)
    if video.shape[-1] != video.shape[-2]:
        raise ValueError(f"clips: expected square frames, {_CLIPS}, got the shape {tuple(video.shape)}")
    same_shape(values.shape[:2], (video.shape[0], video.shape[2]), "clips and frames of maps", "the clips")
    if not isinstance(along, str) or along not in ("space", "time"):
        raise ValueError(f"along: expected space or time, got {shown(along)}")
    if along == "space" and max(values.shape[2:]) > video.shape[-1]:
        got = f"got {values.shape[2]} x {values.shape[3]}"
        raise ValueError(f"maps: expected at most {video.shape[-1]} x {video.shape[-1]} cells, as pixels, {got}")
    steps = numbers(ranked.SHARES if shares is None else shares, "shares")
    if steps.ndim != 1 or not steps.size or steps.min() != 0 or steps.max() != 1:
        raise ValueError(f"shares: expected numbers from 0 to 1, both among them, got {shown(shares)}")
    if ties is None:
        ties = np.random.default_rng(0).random(values.shape)
    order = map_values(ties, "ties", shape=_MAPS)
    same_shape(order.shape, values.shape, "ties", "the maps")
    curve = ranked.curves_in_space if along == "space" else ranked.curves_in_time
    rankings = {"map": torch.from_numpy(values).to(video.device)}
    with torch.no_grad():
        found = curve(
            video,
            rankings,
            _asked(probability, clips, len(values)),
            steps.tolist(),
            ties=torch.from_numpy(order).to(video.device),
        )
    inserted, deleted = (each.cpu().numpy() for each in found.values())
    total = values[0, 0].size if along == "space" else values.shape[1]
    at = ranked.counts(total, steps.tolist())
    at_share = at / at[-1]
    return Curves(at_share, inserted, deleted, ranked.area(at_share, inserted), ranked.area(at_share, deleted))


def map_replacement(
    maps: Any,
    probability: Probability,
    *,
    features: Any = None,
    new: Mapping[str, Any] | None = None,
    apply: str = "multiply",
) -> dict[str, np.ndarray]:
    """Ask a network for its answer under other maps than its own: does it use them?

    Returns by name what the callable says, float64 (B,):

    - `own`: under the maps themselves;
    - `one`: 1 everywhere, nothing is weighted; `inverse`: 1 - M; `flat`: each clip's mean;
    - `even`, with `features`: for each clip the one weight w under which the features keep the energy that they have
      under the map, sum (w h1)^2 = sum (M h1)^2. What is lost is the map's place alone: `own` minus `even` is what
      the tables call *used*;
    - each of `new`.

    Args:
        maps: in [0, 1], (B, T, h, w).
        probability: for maps of that shape the probability of each clip's answer or label, (B,), or 1 and 0 for right
            and wrong: the network with these maps in place of its own.
        features: h1, what the map weights, finite numbers (B, C, T, h, w).
        new: other maps in [0, 1] by name, (B, T, h, w): another clip's, masks, what you like.
        apply: how the network weights h1: "multiply" (h1 M), "residual" (h1 M + h1) or "energy" (h1 M / w).

    Raises:
        ValueError: maps, features or new maps of another shape, a value that is not finite or of maps not in [0, 1],
            `new` that is no mapping, or a callable that does not return B finite numbers.

    >>> h1 = np.array([[[[[3.0, 1.0]]]]])  # one clip, one channel, two cells; the answer needs the first one
    >>> found = map_replacement([[[[1.0, 0.0]]]], lambda maps: (maps * h1[:, 0])[:, 0, 0, 0] / 3, features=h1)
    >>> {name: value.round(3).item() for name, value in found.items()}  # even: the root of (9 + 0) / (9 + 1)
    {'own': 1.0, 'one': 1.0, 'inverse': 0.0, 'flat': 0.5, 'even': 0.949}
    """
    own = map_values(maps, shape=_MAPS, low=0, high=1)
    if not isinstance(apply, str) or apply not in ("multiply", "residual", "energy"):
        raise ValueError(f"apply: expected multiply, residual or energy, got {shown(apply)}")
    if new is not None and not isinstance(new, Mapping):
        raise ValueError(f"new: expected maps by name, as a mapping, got a {type(new).__name__}")
    replaced = {
        "own": own,
        "one": np.ones_like(own),
        "inverse": 1 - own,
        "flat": np.broadcast_to(own.mean(axis=(1, 2, 3), keepdims=True), own.shape),
    }
    if features is not None:
        h1 = map_values(features, "features", shape="(B, C, T, h, w)")
        same_shape((h1.shape[0], *h1.shape[2:]), own.shape, "clips and grid of features", "the maps")
        even = even_weights(torch.from_numpy(h1), torch.from_numpy(own)[:, None], apply)[:, 0].numpy()
        replaced["even"] = np.broadcast_to(even, own.shape)
    for name, other in (new or {}).items():
        what = f"new maps {name!r}"
        if name in replaced:
            raise ValueError(f"{what}: expected another name than {', '.join(replaced)}")
        replaced[name] = map_values(other, what, shape=_MAPS, low=0, high=1)
        same_shape(replaced[name].shape, own.shape, what, "the maps")
    ask = _asked(probability, maps, len(own))
    with torch.no_grad():
        return {name: ask(torch.from_numpy(values.copy())).numpy() for name, values in replaced.items()}


def rise(
    clips: Any,
    probability: Probability,
    *,
    grid: tuple[int, int] = (14, 14),
    num_masks: int = 256,
    names: Sequence[str] | None = None,
) -> np.ndarray:
    """Make maps of a network of which only the answers are known: RISE.

    Half of a coarse grid of cells is hidden at random, many times over, and a cell counts as much as the answer is
    probable when the cell is seen (Petsiuk et al. 2018). What is hidden is 0: grey, if the clips are normalised.

    Args:
        clips: as the network takes them, floating-point numbers (B, C, T, S, S).
        probability: for clips of that shape the probability of the answer that each of the B whole clips had, (B,).
        grid: h and w of the maps.
        num_masks: how often the network is asked.
        names: of the clips, from which their masks are drawn: the same name, the same masks. None numbers them.

    Returns:
        float32 (B, T, h, w) in [0, 1]; each clip's least cell is 0 and its highest 1, or all 0 where nothing matters.

    Raises:
        ValueError: clips of another shape, a value that is not finite, a grid that is not two whole numbers from 1 on,
            names that are not B texts, or a callable that does not return B finite numbers.

    >>> clips = np.ones((1, 3, 2, 28, 28), np.float32)  # the answer needs the upper left quarter
    >>> maps = rise(clips, lambda seen: seen[:, 0, :, :14, :14].mean(axis=(1, 2, 3)), grid=(2, 2), num_masks=64)
    >>> int(maps[0, 0].argmax()), maps.max().item()
    (0, 1.0)
    """
    from objabn.audits.perturbation import random_masks, seen_mean, stretched

    video = _tensor(clips, "clips", _CLIPS)
    if video.shape[-1] != video.shape[-2]:
        raise ValueError(f"clips: expected square frames, {_CLIPS}, got the shape {tuple(video.shape)}")
    chosen = _names(names, len(video))
    rows, columns = _grid(grid)
    number = whole(num_masks, "num_masks", 1)
    drawn = [random_masks(name, number, (video.shape[2], video.shape[-1])) for name in chosen]
    ask, kept, said = _asked(probability, clips, len(video)), [], []
    with torch.no_grad():
        for _ in range(number):
            masks = torch.stack([next(each) for each in drawn])  # (B, T, S, S)
            said.append(ask(video * masks[:, None].to(video.device)).cpu())
            kept.append(torch.nn.functional.adaptive_avg_pool2d(masks, (rows, columns)))
    weights, seen = torch.stack(said).float(), torch.stack(kept)  # (N, B), (N, B, T, h, w)
    return np.stack([stretched(seen_mean(seen[:, clip], weights[:, clip])).numpy() for clip in range(len(video))])


def _names(names: Any, clips: int) -> list[str]:
    """Return a name for each of the clips; None numbers them. Raises: ValueError for anything but so many texts."""
    if names is None:
        return [str(number) for number in range(clips)]
    if isinstance(names, str) or not isinstance(names, Iterable) or getattr(names, "ndim", 1) == 0:
        raise ValueError(f"names: expected a text for each clip, got {shown(names)}")
    chosen = list(names)
    same_shape((len(chosen),), (clips,), "names", "the clips")
    if wrong := [name for name in chosen if not isinstance(name, str)]:
        raise ValueError(f"names: expected a text for each clip, got {shown(wrong[0])}")
    return chosen


def _grid(grid: Any) -> tuple[int, int]:
    """Return h and w. Raises: ValueError for anything but two whole numbers from 1 on."""
    is_array = isinstance(grid, np.ndarray | Tensor) and grid.ndim > 0
    sides = list(grid) if is_array or isinstance(grid, Sequence) else []
    if len(sides) != 2:
        raise ValueError(f"grid: expected h and w, two whole numbers, got {shown(grid)}")
    return whole(sides[0], "grid", 1), whole(sides[1], "grid", 1)


def _tensor(clips: Any, what: str, shape: str) -> Tensor:
    """Return clips as a tensor on their device, unless their shape or a value is wrong."""
    values = clips if isinstance(clips, Tensor) else array(clips, what)
    is_float = values.is_floating_point() if isinstance(values, Tensor) else values.dtype in _FLOATS
    if values.ndim != shape.count(",") + 1 or not is_float or 0 in values.shape:
        kind = str(values.dtype).removeprefix("torch.")
        raise ValueError(f"{what}: expected floating-point numbers {shape}, got {kind} of {tuple(values.shape)}")
    given = values if isinstance(values, Tensor) else torch.from_numpy(np.require(values, requirements=["C", "W"]))
    if wrong := int((~given.isfinite()).sum()):
        raise ValueError(f"{what}: expected finite numbers, got {wrong} of {given.numel()} that are NaN or infinite")
    return given


def _asked(probability: Probability, given: Any, clips: int) -> Callable[[Tensor], Tensor]:
    """Let a user's callable be called with tensors: it gets what was handed over, and says a number a clip.

    Where no floating-point numbers were handed over, it gets float64.

    Raises:
        ValueError: it cannot be called.
    """
    if not callable(probability):
        raise ValueError(f"probability: expected a function, got {shown(probability)}")
    kind: Any = given.dtype if isinstance(given, Tensor) else array(given, "maps").dtype

    def ask(values: Tensor) -> Tensor:
        own: Any
        if isinstance(given, Tensor):
            own = values.to(given.device, kind if kind.is_floating_point else torch.float64)
        else:
            own = values.numpy().astype(kind if kind.kind == "f" else np.float64)
        return torch.from_numpy(answers(probability(own), clips))

    return ask
