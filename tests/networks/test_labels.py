"""Labels of ours from classes of a network's: sums of probabilities, and a csv that says which."""

from pathlib import Path

import pytest
import torch
from torch import nn

from objabn.model.interface import feature_maps
from objabn.networks.adapter import Adapter
from objabn.networks.labels import with_labels
from tests.helpers.taps import clips_for, weights_once

CLASSES = ("dribbling", "shooting", "diving", "waving")


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Conv3d(3, 4, 3, 2, 1), nn.Linear(4, 4)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return 9 * self.head(self.body(clips).mean((2, 3, 4)))


def network(names: tuple[str, ...] = CLASSES) -> Adapter:
    torch.manual_seed(0)
    made = Adapter(Small(), num_frames=4, size=8, class_names=names, spec="my.py:load")
    made.digests = {"file": "0"}
    return made


def table(folder: Path, *lines: str, head: str = "class,label") -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


def test_a_labels_probability_is_the_sum_of_its_classes(tmp_path: Path) -> None:
    given, ours = network(), ("dive", "basketball")
    path = table(tmp_path, "dribbling,basketball", "shooting,basketball", "diving,dive")
    labelled = with_labels(given, path, ours)
    clips = clips_for(given)
    said = labelled(clips).perception_logits
    of_classes = given(clips).perception_logits[:, :3].softmax(dim=1)  # waving is no label's: left out
    expected = torch.stack([of_classes[:, 2], of_classes[:, 0] + of_classes[:, 1]], dim=1)
    torch.testing.assert_close(said.softmax(dim=1), expected)
    assert torch.equal(said[:, 0], given(clips).perception_logits[:, 2])
    assert labelled.class_names == ours


def test_all_else_is_the_networks(tmp_path: Path) -> None:
    given = network()
    labelled = with_labels(given, table(tmp_path, "diving,dive"), ["dive"])
    clips = clips_for(given)
    assert torch.equal(feature_maps(labelled, clips, "split"), feature_maps(given, clips, "split"))
    assert labelled(clips).maps.shape == (2, 0, labelled.map_frames, labelled.map_size, labelled.map_size)
    names = ("num_frames", "size", "layer", "layers", "split", "spec", "attention_branch", "mixer")
    assert all(getattr(labelled, name) == getattr(given, name) for name in names)
    assert set(labelled.digests) == {"file", "labels"}
    assert set(given.digests) == {"file"}
    assert weights_once(labelled)
    assert not any(module.training for module in labelled.modules())


def test_without_a_csv_labels_are_classes_of_the_same_names() -> None:
    given = network()
    labelled = with_labels(given, None, ["waving", "diving"])
    clips = clips_for(given)
    assert torch.equal(labelled(clips).perception_logits, given(clips).perception_logits[:, [3, 2]])
    assert set(labelled.digests) == {"file"}
    with pytest.raises(
        ValueError, match=r"my.py:load: expected a class for each label, got none for 'dive'; name a csv"
    ):
        with_labels(given, None, ["waving", "dive"])


@pytest.mark.parametrize(
    ("lines", "head", "fault"),
    [
        (["diving,dive"], "theirs,ours", "expected the columns class,label, got theirs,ours"),
        ([], "", "expected the columns class,label, got an empty file"),
        (["diving,dive", "diving,dive"], "class,label", "line 3, expected each class once, got 'diving' again"),
        (["diving"], "class,label", "line 2, expected class,label, got another number of values"),
        (["diving,dive,deep"], "class,label", "line 2, expected class,label, got another number of values"),
        (
            ["dving,dive"],
            "class,label",
            r"class, expected a class of my.py:load \(dribbling, shooting, diving, ...\), got",
        ),
        (["diving,drive"], "class,label", "label, expected one of dive, wave, got 'drive'"),
        (["diving,dive"], "class,label", "expected a class for each label, got none for 'wave'"),
    ],
)
def test_faults_of_a_csv_are_one_line(lines: list[str], head: str, fault: str, tmp_path: Path) -> None:
    path = table(tmp_path, *lines, head=head)
    with pytest.raises(ValueError, match=fault) as raised:
        with_labels(network(), path, ["dive", "wave"])
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(str(path))


def test_no_csv_and_classes_of_one_name() -> None:
    with pytest.raises(ValueError, match=r"nowhere.csv: expected a csv with the columns class,label, got no such file"):
        with_labels(network(), "nowhere.csv", ["dive"])
    with pytest.raises(ValueError, match=r"my.py:load: expected classes of different names, got 'diving' twice"):
        with_labels(network(("a", "diving", "diving", "b")), None, ["a"])
