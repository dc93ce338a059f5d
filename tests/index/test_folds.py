"""Folds of a cross-validation: whole recordings, classes evenly, the same for the same seed."""

from collections import Counter

import pytest

from objabn.index.folds import deal_folds
from objabn.index.listing import Listing, Row, listing_of


def listed(*recordings: tuple[str, str]) -> Listing:
    """A listing of recordings, each a name and its videos' classes; all of them train."""
    rows = [
        Row(f"{name}{number}.mp4", label, "train", "list:1", name)
        for name, labels in recordings
        for number, label in enumerate(labels)
    ]
    return listing_of(rows, "ab")


def folds_of(listing: Listing) -> dict[str, str]:
    """The fold of each recording, and that it is one."""
    videos = listing.videos.assign(group=listing.groups_of(listing.videos["path"]))
    assert (videos.groupby("group")["split"].nunique() == 1).all()
    return videos.groupby("group")["split"].first().to_dict()


def test_the_largest_recordings_first_each_where_its_classes_are_emptiest() -> None:
    """9 videos of a, 6 of b; sizes differ, so that no hash decides.

    five: both folds are empty, the first. four: neither has b, the second has fewer videos. three (2 a, 1 b): 2 * 5/9
    against 1 * 4/6, the second. two: 2 * 5/9 against 2 * 2/9, the second. one (b): 0 against 5/6, the first.
    """
    listing = listed(("one", "b"), ("three", "aab"), ("five", "aaaaa"), ("two", "aa"), ("four", "bbbb"))
    expected = {"five": "fold-1", "four": "fold-2", "three": "fold-2", "two": "fold-2", "one": "fold-1"}
    for seed in (0, 1):
        dealt = deal_folds(listing, 2, seed)
        assert folds_of(dealt) == expected
    assert dealt.videos.drop(columns="split").equals(listing.videos.drop(columns="split"))


def test_classes_lie_evenly_and_the_seed_deals() -> None:
    listing = listed(*((f"{label}{number}", label) for label in "ab" for number in range(8)))
    deals = [deal_folds(listing, 4, seed) for seed in (0, 0, 1)]
    sizes = Counter(zip(deals[0].videos["label"], deals[0].videos["split"], strict=True))
    assert sizes == {(label, f"fold-{number}"): 2 for label in "ab" for number in (1, 2, 3, 4)}
    first, again, other = map(folds_of, deals)
    assert first == again != other


def test_no_fold_is_empty_and_more_than_recordings_are_refused() -> None:
    listing = listed(("one", "a"), ("two", "aaa"), ("three", "b"))
    assert sorted(folds_of(deal_folds(listing, 3)).values()) == ["fold-1", "fold-2", "fold-3"]
    with pytest.raises(ValueError, match=r"^--folds: expected at most 3, the recordings of the videos, got 4$"):
        deal_folds(listing, 4)
    with pytest.raises(ValueError, match=r"^--folds: expected 2 or more, got 1$"):
        deal_folds(listing, 1)
