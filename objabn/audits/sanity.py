"""Do maps depend on what the network has learnt? Its layers are drawn anew, from the answer backwards.

After Adebayo et al., Sanity Checks for Saliency Maps (NeurIPS 2018). A map that explains an answer must change when the
layers that gave the answer are random; one that stays as it was shows the video's edges, not the network's reasons.
M_u, M_o and M_b stay the same by design until their own branch is drawn anew: they depend neither on what lies behind
the attention branch nor on the class. They show where the network was told to look, not why it answered.

    run = load_trained(Path("runs/synthetic/mask/pc-false/seed-0"))
    cascading_randomisation(run.model, run.attention, test_clips, run.params)  # map, step, correlation, compared

Shapes: B clips, T frames, n cells of a frame, h/w grid of the maps, L classes.
"""

from collections import defaultdict
from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.utils.data import Subset

from objabn.clips.batches import clip_tensors
from objabn.clips.dataset import ClipDataset
from objabn.config.rows import MAPS
from objabn.config.schema import Dataset
from objabn.evaluation.conditions import batches
from objabn.evaluation.maps import named_maps
from objabn.evaluation.metrics import is_flat
from objabn.evaluation.posthoc import posthoc_maps
from objabn.model.device import make_fabric
from objabn.model.interface import VideoNetwork

VIDEOS = 24  # that maps are compared on, drawn by a fixed seed
CLASS, CENTRE = "another class", "centre prior"  # steps beside those of `steps`
_OF_GRADIENTS, _CENTRE = ("g", "s", "l"), "c"  # letters
_FLAT = 1e-6  # max - min of a frame below which its cells have no order
_WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear)
_NORMS = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
_SMALL = 0.02  # of what is all 0, as transformers draw their tokens
STEP_KEYS = ("map", "step")  # columns that tell lines apart


@torch.no_grad()
def draw_anew(layers: list[nn.Module], generator: torch.Generator) -> None:
    """Draw the weights of layers anew, in place: He's normal distribution; norms and biases as they begin.

    What is no weight of a convolution, a linear layer or a norm, such as an embedding, a class token or a position, is
    drawn from a normal distribution of its own size.
    """
    for layer in (inner for outer in layers for inner in outer.modules()):
        if isinstance(layer, _WEIGHTED):
            layer.weight.copy_(nn.init.kaiming_normal_(torch.empty(layer.weight.shape), generator=generator))
            if layer.bias is not None:
                layer.bias.zero_()
        elif isinstance(layer, _NORMS):
            layer.reset_parameters()  # its statistics, too
        else:
            for values in layer.parameters(recurse=False):
                size = float(values.square().mean().sqrt()) or _SMALL
                values.copy_(size * torch.randn(values.shape, generator=generator))


def randomised(model: VideoNetwork, seed: int = 0) -> Iterator[tuple[str, VideoNetwork]]:
    """The steps' names, and a copy of the network whose layers are drawn anew up to there; the same object each time.

    Layers of earlier steps stay as they were drawn. The network itself is left alone.
    """
    copy, generator = deepcopy(model), torch.Generator().manual_seed(seed)
    for name, layers in copy.steps():
        draw_anew(layers, generator)
        yield name, copy


def rank_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of the cells of each frame, float64 (B, T); NaN where a frame of either is flat.

    Equal cells share their mean rank.

    Args:
        one, other: maps (B, T, h, w).

    >>> import numpy as np
    >>> one, other = np.array([0.1, 0.2, 0.9, 0.9]), np.array([0.0, 0.3, 0.5, 0.6])
    >>> rank_correlation(one.reshape(1, 1, 2, 2), other.reshape(1, 1, 2, 2)).round(6).tolist()
    [[0.948683]]
    """
    cells = [values.reshape(*values.shape[:2], -1).astype(np.float64) for values in (one, other)]  # (B, T, n)
    flat = np.any([np.ptp(values, axis=-1) < _FLAT for values in cells], axis=0)
    ranks = [rankdata(values, axis=-1) for values in cells]
    first, second = (values - values.mean(axis=-1, keepdims=True) for values in ranks)
    sizes = np.sqrt((first**2).sum(axis=-1) * (second**2).sum(axis=-1))
    return np.where(flat, np.nan, (first * second).sum(axis=-1) / np.where(flat, 1, sizes))


def cascading_randomisation(
    model: VideoNetwork,
    attention: str,
    dataset: ClipDataset,
    params: Dataset,
    *,
    num_videos: int = VIDEOS,
    seed: int = 0,
) -> pd.DataFrame:
    """How like the maps of the trained network those of ever more random ones are, one row a map and step.

    Columns: map (letters u, o, b as far as the row has them; g, s, l), step (of `steps`; "another class": the trained
    network's map of the second most probable class; "centre prior": the centre prior in the map's place), correlation
    (Spearman's of a frame's cells, the mean over a clip's frames, then over clips; NaN where no frame is left) and
    compared (share of the frames that are: those of which the trained network's map is flat, `eval.flat_range`, or the
    other one is the same everywhere, have no order).

    Maps are of the class that the trained network answers, whatever the random ones would. The first view of each
    video is taken.

    Args:
        num_videos: drawn by `seed`, as the weights are; all where there are fewer.
    """
    fabric = make_fabric(params)
    model = model.to(fabric.device).eval()
    drawn = np.sort(np.random.default_rng(seed).permutation(len(dataset.table))[:num_videos])
    some = Subset(dataset, (drawn * dataset.views).tolist())
    clips = [
        clip_tensors(fabric.to_device(batch), params.data.crop)
        for batch in batches(some, len(some), params, "maps of random networks")
    ]
    with torch.no_grad():
        ranked = [model(each).perception_logits.argsort(dim=1, descending=True) for each in clips]
    answers, seconds = ([classes[:, place] for classes in ranked] for place in (0, 1))
    layer = params.gradcam.layer
    trained = _maps(model, attention, clips, answers, layer)
    prior = trained.pop(_CENTRE)
    for letter, values in trained.items():  # a flat map has no order; of a random network's any order counts
        flat = is_flat(values, params.eval.flat_range)[..., None, None]
        trained[letter] = np.where(flat, values.mean(axis=(-2, -1), keepdims=True), values)
    lines = _lines(CLASS, trained, _maps(model, attention, clips, seconds, layer))
    for step, network in randomised(model, seed):
        lines += _lines(step, trained, _maps(network, attention, clips, answers, layer))
    lines += _lines(CENTRE, trained, dict.fromkeys(trained, prior))
    return pd.DataFrame(lines, columns=[*STEP_KEYS, "correlation", "compared"])


def _maps(
    model: VideoNetwork, attention: str, clips: list[Tensor], classes: list[Tensor], layer: str
) -> dict[str, np.ndarray]:
    """A network's own maps, those of gradients and the centre prior, (V, T, h, w) by letter."""
    maps = defaultdict(list)
    for each, labels in zip(clips, classes, strict=True):
        found = posthoc_maps(model, each, layer, classes=labels)
        named = named_maps(found, attention)
        for letter in (*MAPS[attention], *_OF_GRADIENTS, _CENTRE):
            maps[letter].append(named[letter])
    return {letter: torch.cat(values).cpu().numpy() for letter, values in maps.items()}


def _lines(
    step: str, trained: dict[str, np.ndarray], others: dict[str, np.ndarray]
) -> list[tuple[str, str, float, float]]:
    """Map, step, mean correlation and share of the frames that are compared."""
    lines = []
    for letter, maps in trained.items():
        of_frames = rank_correlation(maps, others[letter])  # (V, T)
        has_order = ~np.isnan(of_frames)
        kept = has_order.any(axis=1)
        mean = float(np.nanmean(of_frames[kept], axis=1).mean()) if kept.any() else float("nan")
        lines.append((letter, step, mean, float(has_order.mean())))
    return lines
