"""Times of stages: what is kept, and that keeping it harms nothing."""

import time
from contextlib import suppress
from pathlib import Path

import pytest

from objabn.system.times import FOLDER, read_times, timed


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_last_time_is_kept() -> None:
    before = time.time()
    for seconds in (0.0, 0.05):
        with timed("train@own-abn-True-0"):
            time.sleep(seconds)
    (kept,) = read_times().values()
    assert (kept.name, kept.is_finished) == ("train@own-abn-True-0", True)
    assert before <= kept.began <= kept.ended <= time.time() + 0.01
    assert 0.05 <= kept.seconds < 5


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_is_left_early_is_not_finished(error: type[BaseException]) -> None:
    with timed("decode@own"):
        pass
    with suppress(error), timed("decode@own"):
        raise error
    assert not read_times()["decode@own"].is_finished


def test_a_place_that_cannot_be_written_stops_nothing() -> None:
    FOLDER.parent.write_text("a file")
    with timed("study"):
        pass
    assert read_times() == {}


def test_a_damaged_file_does_not_count() -> None:
    with timed("study"):
        pass
    for number, content in enumerate(("", "[]", '{"name": "x"}', "{")):
        (FOLDER / f"{number}.json").write_text(content)
    assert list(read_times()) == ["study"]
