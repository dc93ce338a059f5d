"""The audits of a row in one table, and its numbers."""

import pandas as pd
import pytest

from objabn.audits.summary import of_seeds, side_by_side


def test_audits_are_joined_by_video_whatever_their_answers() -> None:
    """The second audit answers a tie differently and has its videos in another order: the first column stays."""
    one = pd.DataFrame({"video": ["v", "w"], "label": ["a", "b"], "top1": [1, 0], "top1_even": [0, 0]})
    two = pd.DataFrame({"video": ["w", "v"], "label": ["b", "a"], "top1": [1, 1], "top1_swapped": [0.25, 0.5]})
    three = pd.DataFrame({"video": ["v", "w"], "insertion_o": [0.125, 0.75]})
    joined = side_by_side([one, two, three])
    assert [list(joined), *joined.to_numpy().tolist()] == [
        ["video", "label", "top1", "top1_even", "top1_swapped", "insertion_o"],
        ["v", "a", 1, 0, 0.5, 0.125],
        ["w", "b", 0, 0, 0.25, 0.75],
    ]
    assert side_by_side([one]).equals(one)


def test_a_video_that_stands_twice_is_a_fault() -> None:
    one = pd.DataFrame({"video": ["v", "v"], "top1": [1, 0]})
    with pytest.raises(pd.errors.MergeError):
        side_by_side([one, pd.DataFrame({"video": ["v"], "insertion_o": [0.5]})])


def test_lines_of_several_networks_of_a_seed_become_their_mean() -> None:
    lines = {"curve": ["a", "b"], "share": [0.5, 0.5]}
    networks = (([0.2, 0.4], 0), ([0.6, 1.0], 0), ([0.3, 0.3], 1))
    of = [pd.DataFrame({**lines, "probability": values, "seed": seed}) for values, seed in networks]
    joined = of_seeds(of, ("curve", "share"))
    assert joined.to_dict("list") == {
        "curve": ["a", "b", "a", "b"],
        "share": [0.5] * 4,
        "seed": [0, 0, 1, 1],
        "probability": pytest.approx([0.4, 0.7, 0.3, 0.3]),
    }
    assert of_seeds(of[:1], ("curve", "share")).equals(of[0])
    assert list(of_seeds([], ("curve", "share"))) == ["curve", "share", "seed"]
