"""How far a backbone's features carry as they are: logistic regression on the pooled features of the embedded clips.

Shapes: B batch, T frames, S crop in pixels, C channels of the last stage, D pooled features, L classes.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objabn.clips.batches import clip_tensors, loader
from objabn.clips.dataset import VALIDATION, ClipDataset, open_split
from objabn.config.schema import Dataset
from objabn.decoding.decode import decode_videos
from objabn.index.table import build
from objabn.model.pretrained import classifier_of
from objabn.synthetic.scenes import plan
from objabn.synthetic.synthesize import write_videos


def embedded_clips(params: Dataset, folder: Path) -> tuple[ClipDataset, ClipDataset]:
    """Training and test clips of the embedded data, made anew in the empty directory `folder` as the pipeline does.

    Raises:
        ValueError: when the data set is not the embedded one.
    """
    if params.synthesize is None:
        raise ValueError("expected the embedded data set, whose block has synthesize, got another")
    videos, truth, frames = (folder / name for name in ("videos", "truth", "frames"))
    for directory in (videos, truth, frames):
        directory.mkdir()
    listed = write_videos(plan(**params.synthesize.model_dump()), videos, truth)
    index, _ = build(pd.DataFrame(listed), videos)
    decode_videos(index, videos, frames, params.decode)
    own = params.model_copy(update={"videos": str(videos)})
    return open_split("train", own, frames, None, seed=0), open_split(
        "test", own, frames, None, seed=0, evaluation=VALIDATION
    )


@torch.no_grad()
def pooled_features(
    blocks: Sequence[nn.Module], dataset: ClipDataset, crop: int, *, epoch: int = 0, batch_size: int = 16
) -> tuple[Tensor, Tensor]:
    """What a network's classifier receives, float32 (clips, D), and the labels, int64 (clips,); one epoch, in order.

    Args:
        blocks: of a network, the last one its head; in evaluation mode, on the CPU.
    """
    features, labels = [], []
    _, classifier = classifier_of(blocks[-1])
    hook = classifier.register_forward_pre_hook(lambda layer, inputs: features.append(_of_clips(layer, inputs[0])))
    try:
        for batch in loader(dataset, batch_size, workers=0, epoch=epoch):
            clips = clip_tensors(batch, crop)
            for block in blocks:
                clips = block(clips)
            labels.append(batch["label"])
    finally:
        hook.remove()
    return torch.cat(features), torch.cat(labels)


def _of_clips(classifier: nn.Module, received: Tensor) -> Tensor:
    """What a linear layer or convolution receives, (B, ..., D) or (B, D, ...), averaged over all places: (B, D)."""
    last = received if isinstance(classifier, nn.Linear) else received.movedim(1, -1)
    return last.flatten(1, -2).mean(dim=1) if last.ndim > 2 else last


def fit_logistic(features: Tensor, labels: Tensor, num_classes: int, weight_decay: float) -> tuple[Tensor, Tensor]:
    """Weights float64 (D, L) and biases (L,) that minimise mean cross-entropy + weight_decay / 2 |weights|^2.

    Args:
        features: float64 (N, D), on comparable scales.
        labels: int64 (N,) in [0, L).
    """
    weights = torch.zeros(features.shape[1], num_classes, dtype=torch.float64, requires_grad=True)
    biases = torch.zeros(num_classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights, biases], max_iter=200, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(features @ weights + biases, labels) + weight_decay / 2 * weights.square().sum()
        loss.backward()
        return loss

    optimiser.step(objective)
    return weights.detach(), biases.detach()


def linear_probe(
    blocks: Sequence[nn.Module],
    train_set: ClipDataset,
    test_set: ClipDataset,
    crop: int,
    *,
    epochs: int = 4,
    weight_decay: float = 0.01,
) -> float:
    """Top-1 in percent on the test clips of a logistic regression on the untouched backbone's pooled features.

    Args:
        blocks: of a network, the last one its head; on the CPU; put in evaluation mode, otherwise left as they are.
        epochs: so many random clips of each training video.
        weight_decay: fixed beforehand, not chosen on the test clips.
    """
    for block in blocks:
        block.eval()
    drawn = [pooled_features(blocks, train_set, crop, epoch=epoch) for epoch in range(epochs)]
    features = torch.cat([each for each, _ in drawn]).double()
    labels = torch.cat([each for _, each in drawn])
    mean, std = features.mean(dim=0), features.std(dim=0) + 1e-6
    weights, biases = fit_logistic((features - mean) / std, labels, len(train_set.class_names), weight_decay)
    unseen, truth = pooled_features(blocks, test_set, crop)
    predicted = (((unseen.double() - mean) / std) @ weights + biases).argmax(dim=1)
    return 100 * float((predicted == truth).double().mean())
