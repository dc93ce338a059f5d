"""Compute the losses of Object-ABN, and the total loss with its named terms.

All functions are pure.

Shapes: B batch, T frames, h/w grid of the attention maps, M maps, L classes, D feature size.
Every loss returns a float32 scalar, the mean over the batch.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor

from objabn.config.rows import MAPS
from objabn.config.schema import Dataset, LossWeights
from objabn.model.interface import Output

_EPS = 1e-12  # inside the root of a norm: its gradient at 0 is then 0, not NaN


def mask_loss(object_maps: Tensor, union_masks: Tensor) -> Tensor:
    """Compute the mean squared error of object-constrained maps and union masks.

    L_mask = MSE(M_o, M'_gt).

    Args:
        object_maps: M_o, float (B, T, h, w) in [0, 1].
        union_masks: M'_gt, float (B, T, h, w) in {0, 1}.

    Paper: Eq. (3), Sec. 3.2.

    >>> import torch
    >>> mask_loss(torch.full((1, 1, 2, 2), 0.5), torch.ones(1, 1, 2, 2)).item()
    0.25
    """
    return F.mse_loss(object_maps, union_masks)


def mha_loss(object_maps: Tensor, background_maps: Tensor, union_masks: Tensor, background_weight: float) -> Tensor:
    """Compute the loss of object and background maps against the union masks.

    The loss is the mask loss on M_o plus the weighted mask loss on M_b, for which the masks are inverted:

    L_mha = MSE(M_o, M'_gt) + lambda_b MSE(M_b, 1 - M'_gt).

    Args:
        object_maps, background_maps: M_o and M_b, float (B, T, h, w) in [0, 1].
        union_masks: M'_gt, float (B, T, h, w) in {0, 1}.
        background_weight: lambda_b.

    Paper: Eq. (7), Sec. 3.3. There is no loss on M_u.

    >>> import torch
    >>> maps, masks = torch.full((1, 1, 2, 2), 0.5), torch.ones(1, 1, 2, 2)
    >>> mha_loss(maps, maps, masks, background_weight=2.0).item()  # 0.25 + 2 * 0.25
    0.75
    """
    return F.mse_loss(object_maps, union_masks) + background_weight * F.mse_loss(background_maps, 1 - union_masks)


def _norm(difference: Tensor, kind: str) -> Tensor:
    """Compute the norm over the last axis, "l2" or "squared"."""
    squared = difference.square().sum(dim=-1)
    return squared if kind == "squared" else (squared + _EPS).sqrt()


def pc_loss(
    features: Tensor,
    centroids: Tensor,
    labels: Tensor,
    *,
    pull: float = 1.0,
    push: float = 1e-3,
    norm: str = "l2",
    push_centroids: Tensor | None = None,
    between: bool = True,
) -> Tensor:
    """Compute the Prototype Conformity loss of features and class centroids.

    The loss pulls features to the centroid of their class. It pushes both, the features and this centroid, away from
    the centroids of the other classes.

    L_PC = pull ||f - w_y|| - push / (K - 1) * sum over j != y of (||f - w_j|| + ||w_y - w_j||)

    The loss has no lower bound.

    Args:
        features: f, float (B, D).
        centroids: w, float (K, D), trainable.
        labels: y, int64 (B,) in [0, K).
        pull, push: lambda_PC1 and lambda_PC2.
        norm: "l2" (the paper's) or "squared".
        push_centroids: a second set, float (K, D), which stands for w in all that is pushed, as in the code that
            Mustafa et al. released; None takes one set for both, as the paper writes it.
        between: False leaves the term ||w_y - w_j|| out, as that code does.

    Paper: Eq. (8), Sec. 3.4.

    >>> import torch
    >>> features, centroids = torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 0.0], [3.0, 0.0]])
    >>> loss = pc_loss(features, centroids, torch.tensor([0]), pull=1.0, push=0.1)  # 5 - 0.1 * (4 + 3)
    >>> round(loss.item(), 3)
    4.3
    """
    pushing = centroids if push_centroids is None else push_centroids
    to_centroids = _norm(features[:, None] - pushing[None], norm)  # (B, K)
    is_other_class = torch.ones_like(to_centroids).scatter(1, labels[:, None], 0.0)  # (B, K), 0 at y
    if push_centroids is None:
        pulled = to_centroids.gather(1, labels[:, None])[:, 0]  # (B,)
    else:
        pulled = _norm(features - centroids[labels], norm)  # (B,)
    if between:
        to_centroids = to_centroids + _norm(pushing[labels][:, None] - pushing[None], norm)  # (B, K)
    pushed = (to_centroids * is_other_class).sum(dim=1) / max(len(centroids) - 1, 1)  # (B,)
    return (pull * pulled - push * pushed).mean()


def even_loss(even_logits: Tensor) -> Tensor:
    """Compute how far the answers under one even weight are from knowing nothing.

    L_even = KL(u || p) = -log K - 1/K sum over k of log p_k, u the uniform distribution over the K classes: 0 where all
    classes are equally probable. It is not in the paper: with it the network cannot answer once the map's place is
    gone, so it has to use the map. It moves what lies around the map, not the map: the even weight has no gradient.

    Args:
        even_logits: y_p when each map is replaced by one weight of the same energy, float (B, K).

    >>> import torch
    >>> even_loss(torch.zeros(1, 4)).item()
    0.0
    """
    num_classes = even_logits.shape[1]
    return (-math.log(num_classes) - even_logits.float().log_softmax(dim=1).mean(dim=1)).mean()


class Settings(TypedDict):
    """What `total_loss` takes of the parameters of a data set."""

    weights: LossWeights
    pc_norm: str
    pc_between: bool


def settings(params: Dataset) -> Settings:
    """Return what `total_loss` takes of the parameters of a data set."""
    return {
        "weights": params.loss_weights,
        "pc_norm": params.train.pc_norm,
        "pc_between": params.train.pc_between,
    }


def scales(weights: LossWeights) -> Mapping[str, float]:
    """Return what each term of the total loss is multiplied by, by the term's name."""
    return {
        "perception": 1.0,
        "attention": weights.attention,
        "mask": weights.mask,
        "mha": weights.mha,
        "pc": weights.pc,
        "even": weights.even,
    }


def total_loss(
    output: Output,
    labels: Tensor,
    *,
    attention: str,
    union_masks: Tensor | None,
    centroids: Sequence[Tensor],
    weights: LossWeights,
    pc_norm: str = "l2",
    pc_between: bool = True,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute the scalar to minimise, and the scalar's unweighted terms by name.

    L = L_per + lambda L_att + lambda_mask L_mask + lambda_PC L_PC          ("abn" without L_mask, "mask")
    L = L_per + lambda L_att + lambda_mha L_mha + lambda_PC L_PC            ("mha")
    L = L_per                                                               ("plain", the control)

    With each of them lambda_even L_even where `output` has answers under an even weight (not the paper's). L_per and
    L_att are cross entropies of the branches' logits.

    Args:
        output: of the network. The maps are those of `MAPS[attention]`; the features are read for the PC loss only.
        labels: int64 (B,).
        attention: "abn", "mask", "mha" or "plain".
        union_masks: M'_gt, float (B, T, h, w); not read for "abn" and "plain".
        centroids: w, float (L, D); and a second set that pushes, if there is one. Empty for a configuration without
            the PC loss.
        weights: the lambdas.
        pc_norm, pc_between: as `pc_loss`.

    Paper: Eq. (9), Eq. (10), Sec. 3.4.

    >>> import torch
    >>> logits, maps = torch.zeros(1, 2), torch.full((1, 1, 1, 2, 2), 0.5)
    >>> weights = LossWeights(**{**dict.fromkeys(LossWeights.model_fields, 0.0), "mask": 4.0})
    >>> settings = {"attention": "mask", "union_masks": torch.ones(1, 1, 2, 2), "centroids": (), "weights": weights}
    >>> total, terms = total_loss(Output(logits, logits, maps, None), torch.tensor([0]), **settings)
    >>> terms["mask"].item(), round(total.item(), 3)  # log 2 + 4 * 0.25
    (0.25, 1.693)
    """
    terms = {"perception": F.cross_entropy(output.perception_logits, labels)}
    if output.attention_logits is not None:
        terms["attention"] = F.cross_entropy(output.attention_logits, labels)
    by_name = dict(zip(MAPS[attention], output.maps.unbind(dim=1), strict=True))
    if "o" in by_name:
        assert union_masks is not None, f"{attention} needs union masks"
        if attention == "mask":
            terms["mask"] = mask_loss(by_name["o"], union_masks)
        else:
            terms["mha"] = mha_loss(by_name["o"], by_name["b"], union_masks, weights.background)
    if centroids:
        assert output.features is not None, "the PC loss needs the attention branch's features"
        rates: dict[str, Any] = {"pull": weights.pc1, "push": weights.pc2, "norm": pc_norm, "between": pc_between}
        second = centroids[1] if len(centroids) > 1 else None
        terms["pc"] = pc_loss(output.features, centroids[0], labels, push_centroids=second, **rates)
    if output.even_logits is not None:
        terms["even"] = even_loss(output.even_logits)
    scale = scales(weights)
    total = sum((scale[name] * term for name, term in terms.items()), start=torch.zeros_like(terms["perception"]))
    return total, terms
