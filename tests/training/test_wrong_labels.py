"""Shuffled labels: each class as often as before, the same for a seed, and the training clips carry them."""

from pathlib import Path

import numpy as np

from objabn.training.wrong_labels import shuffled_labels
from tests.helpers.clips import FRAMES, SIZE, open_made, parameters, write_stores


def test_classes_keep_their_number_and_the_seed_decides() -> None:
    labels = np.repeat(np.arange(4), 50)
    found = shuffled_labels(labels, 0)
    assert np.bincount(found).tolist() == [50] * 4
    assert 0.1 < (found == labels).mean() < 0.4  # a quarter by chance
    assert np.array_equal(found, shuffled_labels(labels, 0))
    assert not np.array_equal(found, shuffled_labels(labels, 1))
    assert labels.tolist() == sorted(labels)  # the own ones are left alone


def test_clips_carry_the_labels_that_their_data_set_has(synthetic, tmp_path: Path) -> None:
    """So does the stage hand them over; the frames and the masks stay the video's own."""
    frames, cells = np.zeros((FRAMES, SIZE, SIZE, 3), np.uint8), np.ones((FRAMES, 4, 4), bool)
    write_stores(tmp_path, {f"v{number}": ("abc"[number % 3], frames + number, cells) for number in range(9)})
    own, clips = (open_made(tmp_path, parameters(synthetic), ["a", "b", "c"]) for _ in range(2))
    clips.labels = shuffled_labels(clips.labels, 3)
    assert [int(clips[item]["label"]) for item in range(9)] == clips.labels.tolist() != own.labels.tolist()
    for item in range(9):
        for name, value in own[item].items():
            assert name == "label" or np.array_equal(value, clips[item][name])
