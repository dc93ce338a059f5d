"""What rows are called in pictures: short, and none like another."""

from objabn.report.names import short_names


def test_names_that_differ_in_their_middles_get_their_places() -> None:
    names = ["plain", *(f"masks_of_other_videos_of_{number}_classes_of_the_set" for number in (10, 20)), "abn + PC"]
    short = short_names(names)
    assert list(short) == names
    assert list(short.values()) == [
        "plain", "masks_of_other…es_of_the_set (2)", "masks_of_other…es_of_the_set (3)", "abn + PC"
    ]  # fmt: skip


def test_names_of_28_letters_stay() -> None:
    assert list(short_names(["x" * 28, "x" * 29]).values()) == ["x" * 28, f"{'x' * 14}…{'x' * 13}"]
