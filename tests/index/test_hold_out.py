"""The split val, drawn from train: whole recordings, of each class, the same for the same seed."""

from collections import Counter

import pytest

from objabn.index.hold_out import hold_out
from objabn.index.listing import Listing, Row, listing_of


def listed(*rows: tuple[str, str, str] | tuple[str, str, str, str]) -> Listing:
    """A listing of (path, label, split), or (path, label, split, group)."""
    return listing_of([Row(*row[:3], "list:1", *row[3:]) for row in rows], sorted({row[1] for row in rows}))


def clips(label: str, groups: int, each: int = 3, split: str = "train") -> list[tuple[str, str, str]]:
    return [
        (f"{label}/v_{label}_g{group:02}_c{clip:02}.avi", label, split)
        for group in range(groups)
        for clip in range(each)
    ]


def val_of(listing: Listing) -> set[str]:
    return set(listing.videos["video"][listing.videos["split"] == "val"])


def test_whole_recordings_of_each_class_about_the_share() -> None:
    listing = listed(*clips("a", 10), *clips("b", 20, each=1), *clips("c", 3), *clips("d", 5, each=40, split="test"))
    held = hold_out(listing, 0.2).videos.assign(group=lambda rows: rows["video"].str.rsplit("_c", n=1).str[0])
    assert Counter(held[held["split"] == "val"]["label"]) == {"a": 6, "b": 4, "c": 3}  # of c one recording at least
    assert set(held.groupby("group")["split"].nunique()) == {1}
    moved = held["split"] != listing.videos["split"]
    assert set(listing.videos["split"][moved]) == {"train"}
    assert held.drop(columns=["split", "group"]).equals(listing.videos.drop(columns="split"))


def test_the_seed_draws() -> None:
    listing = listed(*clips("a", 12), *clips("b", 12))
    draws = [val_of(hold_out(listing, 0.25, seed)) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    more = listed(*clips("a", 12), *clips("b", 12), *clips("c", 12))
    assert val_of(hold_out(more, 0.25)) >= draws[0]  # another class moves no video


def test_the_last_train_recording_of_a_class_stays() -> None:
    listing = listed(*clips("a", 3), *clips("b", 1, each=9))
    held = hold_out(listing, 0.99).videos
    assert Counter(zip(held["label"], held["split"], strict=True)) == {("a", "val"): 6, ("a", "train"): 3,
                                                                      ("b", "train"): 9}  # fmt: skip


def test_a_recording_of_several_classes_goes_as_a_whole() -> None:
    rows = [(f"{label}{n}.mp4", label, "train", f"day {n}") for n in range(6) for label in "ab"]
    held = hold_out(listed(*rows, ("c.mp4", "c", "train", "day 0"), ("t.mp4", "c", "test", "")), 0.5).videos
    assert Counter(held[held["split"] == "val"]["label"]) == {"a": 3, "b": 3}
    assert held.groupby(held["video"].str[1])["split"].nunique().max() == 1
    assert held.set_index("video")["split"][["a0", "b0", "c"]].tolist() == ["train"] * 3  # the only recording of c


def test_a_recording_that_lies_in_test_too_is_not_drawn() -> None:
    rows = [*clips("a", 2), ("a/v_a_g00_c09.avi", "a", "test")]
    assert val_of(hold_out(listed(*rows), 0.9)) == {f"a/v_a_g01_c0{clip}" for clip in range(3)}


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_shares_that_are_none(share: float) -> None:
    with pytest.raises(ValueError, match=r"^--val-share: expected a number above 0 and below 1, got "):
        hold_out(listed(*clips("a", 3)), share)


def test_nothing_to_draw_and_val_that_is_there() -> None:
    with pytest.raises(ValueError, match=r"^--val-share: expected a class with two train recordings or more, got none"):
        hold_out(listed(*clips("a", 1), *clips("b", 1)), 0.5)
    with pytest.raises(ValueError, match=r"^--val-share: expected a list without val videos, got 2; leave the option"):
        hold_out(listed(*clips("a", 3), *clips("b", 1, each=2, split="val")), 0.5)
