"""Let a network of other classes answer in ours: a csv says which of its classes is which of our labels.

    class,label
    playing basketball,basketball_shooting
    dribbling basketball,basketball_shooting

The probability of a label is the sum of its classes' probabilities, divided by the sum over all classes that have a
label: the network's other classes are left out.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from objabn.model.interface import Output, Tap
from objabn.networks.adapter import Adapter
from objabn.system.files import file_digest

COLUMNS = ("class", "label")


class Labelled(nn.Module):
    """Answer by other labels than a network's own classes; all else is the network's.

    A label's logit is the logsumexp of its classes' logits: for one class its logit itself.

    Args:
        network: with K classes of its own. It is not copied.
        classes: for each of the L labels the numbers, from 0, of the network's classes that mean it; none is empty.
        class_names: of the L labels.
    """

    attention_branch = None
    mixer = None

    def __init__(self, network: Adapter, classes: Sequence[Sequence[int]], class_names: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.class_names = tuple(class_names)
        self._classes = [list(each) for each in classes]
        self.num_frames, self.size = network.num_frames, network.size
        self.map_frames, self.map_size = network.map_frames, network.map_size
        self.layer, self.split, self.layers = network.layer, network.split, network.layers
        self.spec, self.digests = network.spec, dict(network.digests)
        self.train(network.training)

    def preprocess(self, clips: Tensor) -> Any:
        """Turn normalised clips, float32 (B, 3, T, S, S), into what the network takes."""
        return self.network.preprocess(clips)

    def forward(self, clips: Tensor) -> Output:
        """Return the labels' logits, (B, L), of normalised clips, float32 (B, 3, T, S, S)."""
        output = self.network(clips)
        logits = output.perception_logits  # (B, K)
        sums = [logits[:, numbers].logsumexp(dim=1) for numbers in self._classes]
        return output._replace(perception_logits=torch.stack(sums, dim=1))

    def tap(self, layer: str) -> Tap:
        """Say where the network's features are, as `Adapter.tap`."""
        return self.network.tap(layer)

    def steps(self) -> list[tuple[str, list[nn.Module]]]:
        """List the network's parts with weights, from the logits to the input."""
        return self.network.steps()


def with_labels(network: Adapter, labels: str | Path | None, class_names: Sequence[str]) -> Labelled:
    """Let a network answer by our labels.

    Args:
        labels: csv with the columns class, a class of the network's by its name, and label, one of `class_names`; a
            class on no line is left out. None: each label is the class of the same name.
        class_names: our labels, in their order.

    Raises:
        ValueError: the file is not there or has other columns; it names a class or a label that is not there, or a
            class twice; a label has no class; the network has two classes of a name.
    """
    names = network.class_names
    place = network.spec if labels is None else str(labels)
    if len(set(names)) != len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{network.spec}: expected classes of different names, got {double!r} twice")
    pairs = {name: name for name in class_names if name in names} if labels is None else _read(Path(labels))
    if unknown := [name for name in pairs if name not in names]:
        like = ", ".join(names[:3])
        raise ValueError(f"{place}: class, expected a class of {network.spec} ({like}, ...), got {unknown[0]!r}")
    if unknown := [label for label in pairs.values() if label not in class_names]:
        raise ValueError(f"{place}: label, expected one of {', '.join(class_names)}, got {unknown[0]!r}")
    classes = [[names.index(name) for name, label in pairs.items() if label == wanted] for wanted in class_names]
    if lonely := [label for label, numbers in zip(class_names, classes, strict=True) if not numbers]:
        todo = "; name a csv of class,label as labels" if labels is None else ""
        raise ValueError(f"{place}: expected a class for each label, got none for {lonely[0]!r}{todo}")
    labelled = Labelled(network, classes, class_names)
    if labels is not None:
        labelled.digests["labels"] = file_digest(labels)
    return labelled


def _read(path: Path) -> dict[str, str]:
    """Labels by class. Raises: ValueError."""
    if not path.is_file():
        raise ValueError(f"{path}: expected a csv with the columns {','.join(COLUMNS)}, got no such file")
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.DictReader(file)
        if tuple(lines.fieldnames or ()) != COLUMNS:
            got = ",".join(lines.fieldnames or ()) or "an empty file"
            raise ValueError(f"{path}: expected the columns {','.join(COLUMNS)}, got {got}")
        pairs: dict[str, str] = {}
        for line in lines:
            name, label = (line[column] for column in COLUMNS)
            if name is None or label is None or None in line:
                raise ValueError(f"{path}: line {lines.line_num}, expected class,label, got another number of values")
            if name in pairs:
                raise ValueError(f"{path}: line {lines.line_num}, expected each class once, got {name!r} again")
            pairs[name] = label
    return pairs
