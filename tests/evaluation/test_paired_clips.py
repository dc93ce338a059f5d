"""Partners: none its own, of another class wherever that can be; top-1 tables and an audit's numbers by hand."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import default_collate

from objabn.audits.summary import audit_numbers
from objabn.clips.batches import clip_tensors, loader
from objabn.clips.cuts import collate_cuts
from objabn.clips.dataset import ClipDataset
from objabn.clips.partners import partners
from objabn.evaluation.conditions import mean_over_views, top1_table
from objabn.evaluation.paired_clips import PairedClips, other_clips
from objabn.networks.adapter import Adapter
from tests.helpers.clips import SIZE, open_made, parameters, write_random
from tests.helpers.foreign import small_module

classes_of_videos = st.lists(st.integers(0, 4), min_size=2, max_size=40).map(np.array)


@given(classes=classes_of_videos, seed=st.integers(0, 5))
def test_partners_are_a_permutation_without_a_fixed_point(classes, seed):
    found = partners(classes, seed)
    assert sorted(found.tolist()) == list(range(len(classes)))
    assert (found != np.arange(len(classes))).all()
    assert np.array_equal(found, partners(classes, seed))


@given(classes=classes_of_videos, seed=st.integers(0, 5))
def test_only_a_class_of_more_than_half_has_partners_of_its_own(classes, seed):
    own = classes[partners(classes, seed)] == classes
    most = np.bincount(classes).max()
    assert own.sum() == max(2 * most - len(classes), 0)


def test_a_class_meets_all_others():
    classes = np.arange(128) % 8
    met = {(a, b) for a, b in zip(classes, classes[partners(classes)], strict=True)}
    assert len(met) > 40  # of 56; a step along the blocks alone meets 8
    assert not np.array_equal(partners(classes), partners(classes, seed=1))


@pytest.mark.parametrize("classes", [[], [3]])
def test_one_video_has_no_partner(classes):
    message = f"expected at least two videos to exchange maps, masks or backgrounds, got {len(classes)}"
    with pytest.raises(ValueError, match=message):
        partners(np.array(classes, int))


def test_a_clip_meets_its_partners_clip_of_the_same_view(synthetic, tmp_path) -> None:
    write_random(tmp_path / "made", 4, "ab", frames=16)
    dataset = open_made(tmp_path / "made", parameters(synthetic, views=2), ["a", "b"])
    pairs = PairedClips(dataset)
    for item in range(8):
        number, view = divmod(item, 2)
        own, other = dataset[item], dataset[2 * int(pairs.partners[number]) + view]
        found = pairs[item]
        assert set(found) == set(own) | {f"other_{name}" for name in own}
        assert all(torch.equal(found[name], own[name]) for name in own)
        assert all(torch.equal(found[f"other_{name}"], other[name]) for name in own)
    assert not torch.equal(pairs[0]["other_frames"], pairs[1]["other_frames"])


@pytest.fixture
def wide(synthetic, tmp_path) -> ClipDataset:
    """Four videos, of which a clip shows the middle half of each side."""
    write_random(tmp_path / "made", 4, "ab", frames=16, least=1)
    params = parameters(synthetic, views=2)
    data = params.data.model_copy(update={"short_side_eval": 2 * SIZE, "short_side_max": 2 * SIZE})
    return open_made(tmp_path / "made", params.model_copy(update={"data": data}), ["a", "b"])


@pytest.mark.parametrize("workers", [0, 2])
def test_pairs_come_through_the_loader_with_their_frames_cut(wide: ClipDataset, workers: int) -> None:
    """In processes only the crops' pixels are handed over; the clips are the same, and so are the partners'."""
    pairs = PairedClips(wide, masks=False)
    found = list(loader(pairs, 3, workers=workers))
    assert [len(batch["row"]) for batch in found] == [3, 3, 2]
    assert not {"other_masks", "other_truth"} & set(found[0])
    assert {"masks", "truth"} <= set(found[0])
    for prefix in ("", "other_"):
        clips = [clip_tensors(each if not prefix else other_clips(each), SIZE) for each in found]
        items = [default_collate([pairs[at]]) for at in range(8)]
        expected = [clip_tensors(each if not prefix else other_clips(each), SIZE) for each in items]
        assert torch.equal(torch.cat(clips), torch.cat(expected))
    assert not torch.equal(found[0]["frames"], found[0]["other_frames"])


def test_bytes_of_a_pair_are_those_of_both_crops(wide: ClipDataset) -> None:
    pairs = PairedClips(wide, masks=False)
    batch = collate_cuts([pairs[0, 0]])
    cuts = batch["frames"].nbytes + batch["other_frames"].nbytes
    assert cuts < wide[0]["frames"].nbytes  # of one whole clip
    handed_over = sum(value.nbytes for name, value in batch.items() if not name.endswith(("windows", "frame_shape")))
    assert handed_over <= pairs.most_bytes() < 1.1 * handed_over


class Two:
    """Two videos of two views and three classes, the part of a data set that tables need."""

    table = pd.DataFrame({"video": ["v", "w"], "label": ["a", "c"]})
    labels, views = np.array([0, 2]), 2


def test_views_are_averaged_over_the_batches():
    values = [np.array([[1.0], [2], [3]]), np.array([[5.0]])]
    assert mean_over_views(values, Two()).tolist() == [[1.5], [4.0]]
    assert mean_over_views([np.array([1.0, 2, 3, 5])], Two()).tolist() == [1.5, 4.0]


def test_top1_of_averaged_probabilities_by_hand(make_model):
    sure, unsure = torch.tensor([[4.0, 0, 0]]), torch.tensor([[0.0, 0, 1]])
    logits = {"top1": [torch.cat([sure, unsure, unsure]), unsure], "top1_x": [torch.cat([unsure] * 2), sure, sure]}
    table = top1_table(logits, Two(), make_model(attention="plain", pc=False))
    assert table.to_dict("list") == {"video": ["v", "w"], "label": ["a", "c"], "top1": [1, 1], "top1_x": [0, 0]}


def test_logits_that_are_not_finite_stop_with_their_condition(make_model):
    logits = {"top1": [torch.zeros(4, 3)], "top1_one": [torch.full((4, 3), torch.nan)]}
    line = "the network's logits are not finite (top1_one): "
    with pytest.raises(ValueError, match=f"^{re.escape(line)}its training went wrong$"):
        top1_table(logits, Two(), make_model(attention="plain", pc=False))
    other = "it was not trained here, so its weights, precision or normalisation may not fit"
    with pytest.raises(ValueError, match=f"^{re.escape(line)}{other}$"):
        top1_table(logits, Two(), Adapter(small_module(), num_frames=4, size=16))


def test_an_audits_numbers_by_hand():
    given = {"video": list("vwxy"), "label": list("abab"), "top1": [1, 1, 1, 0], "insertion_o": [0.5, 0.25, 0.25, 0.0]}
    assert audit_numbers(pd.DataFrame(given)) == {"top1": 75.0, "insertion_o": 0.25}
    given |= {"top1_pasted": [1, 1, 0, 0], "top1_swapped": [1, 0, 0, 0]}
    given |= {"top1_pasted_truth": [1, 1, 1, 1], "top1_swapped_truth": [1, 1, 1, 0]}
    numbers = audit_numbers(pd.DataFrame(given))
    assert {name: numbers[name] for name in list(numbers)[-4:]} == {
        "swap_drop": 50.0, "background_gap": 25.0, "swap_drop_truth": 0.0, "background_gap_truth": 25.0,
    }  # fmt: skip
