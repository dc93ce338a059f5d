from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from objabn.evaluation.kept_maps import KeptMaps
from objabn.report.moving import draw_moving, milliseconds_between
from objabn.report.names import Row
from objabn.report.strips import VideoMaps

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)


def videos(*letters: str, frames: np.ndarray = FRAMES) -> list[VideoMaps]:
    """Two videos whose maps are dark, but for the middle frame."""
    maps = {letter: np.stack([np.full((4, 4), float(at == 1)) for at in range(3)]) for letter in letters}
    return [VideoMaps(name, frames, maps) for name in ("kick", "wave")]


def test_a_column_for_each_row_and_the_frames_beside_them(tmp_path: Path) -> None:
    rows = {Row("abn", False): videos("u"), Row("mask", False): videos("u", "o"), Row("mask", True): videos("o")}
    rows |= {Row("cropped", False): videos("o", frames=255 - FRAMES), Row("mha", False): videos("u", "o", "b")}
    draw_moving(rows, tmp_path / "moving.gif", milliseconds=160)
    image = Image.open(tmp_path / "moving.gif")
    assert image.n_frames == 3
    assert image.info["duration"] == 160
    assert image.info["loop"] == 0  # for ever
    assert image.size == (4 * 132 - 4, 34 + 2 * 132 - 4)  # video, abn, mask, mha: no second mask, no other frames
    squares = []
    for at in range(3):
        image.seek(at)
        pixels = np.asarray(image.convert("RGB")).astype(float)
        squares.append(pixels[34:162, 132:260])
    assert np.abs(squares[0] - squares[1]).mean() > 20  # the map lights up


def test_a_video_runs_at_its_speed() -> None:
    empty = np.zeros((2, 1, 3, 2, 2), np.uint8), np.array([[0, 4, 8], [3, 7, 11]]), np.zeros((2, 4), np.float32)
    kept = KeptMaps(np.array(["a", "b"]), np.array(["u"]), *empty)
    table = pd.DataFrame({"video": ["a", "b", "c"], "fps": [25.0, 25.0, 5.0]})
    assert milliseconds_between(kept, table) == 160
    for unknown in (np.nan, 0.0):  # where no file tells, 25 a second
        assert milliseconds_between(kept, table.assign(fps=unknown)) == 160
