"""J-HMDB as it is published, from lists, clips and puppet files to the stores of frames, truth and masks."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from objabn.__main__ import main
from objabn.cli.index import main as index
from objabn.config.file import load_params, read_yaml
from objabn.index.groups import FOLDER, read_groups
from objabn.index.table import read_index
from objabn.stores.array import StoreReader
from objabn.stores.masks import GRID, union_mask
from objabn.stores.table import read_table
from objabn.stores.truth import open_truth
from stages import decode, segment
from tests.helpers.listed_files import REALDATA
from tests.helpers.puppets import write_puppets
from tests.helpers.videos import encode, moving_bar

RUN, WAVE = "Film_run_f_cm_np1_ba_med_0", "#1_(a)_[b]_&!@_wave_u_nm_np1_fr_goo_1"
NUM_FRAMES = 5


@pytest.fixture
def jhmdb(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose data set `jhmdb` is small and has puppets as masks, too."""
    monkeypatch.setenv("OBJABN_CACHE", str(place / "cache"))
    monkeypatch.setenv("OBJABN_CHECK", "off")  # there is no truth before the clips are decoded
    monkeypatch.setattr("sys.argv", ["stage", "jhmdb"])
    (place / "dvc.yaml").write_text("stages: {}\n")
    values = read_yaml((place / "params.yaml").read_text())
    values["datasets"]["jhmdb"]["segment"] = {
        "backend": "import", "masks": "puppet_mask", "format": "jhmdb", "class_name": "person", "sparse": "none",
        "images": None, "groups": None,
    }  # fmt: skip
    values["datasets"]["jhmdb"]["machine"]["segment_workers"] = 1
    (place / "params.yaml").write_text(yaml.safe_dump(values))
    return place


def puppets(num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """A body that walks to the right, of 240 x 320 pixels, and its cells on the grid: both (frames, rows, columns)."""
    masks, cells = np.zeros((num_frames, 240, 320), np.uint8), np.zeros((num_frames, GRID, GRID), bool)
    for number in range(num_frames):
        left = 40 + 20 * number
        masks[number, 60:180, left : left + 80] = number + 1
        cells[number, 32:96, (left * 2) // 5 : ((left + 80) * 2) // 5] = True  # a cell has 2.5 columns of pixels
    return masks, cells


def test_the_published_layout(jhmdb: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (RUN, WAVE):
        label = "run" if name == RUN else "wave"
        path = Path("data/jhmdb/videos", label, f"{name}.avi")
        path.parent.mkdir(parents=True)
        encode(path, moving_bar(NUM_FRAMES), codec="mpeg4")
        Path("splits").mkdir(exist_ok=True)
        Path(f"splits/{label}_test_split1.txt").write_bytes(f"{name}.avi {1 if name == RUN else 2}\r\n".encode())
    write_puppets(Path("puppet_mask"), f"run/{RUN}", puppets(NUM_FRAMES)[0])
    write_puppets(Path("puppet_mask"), f"wave/{WAVE}", puppets(NUM_FRAMES - 1)[0])  # its last frame has no mask

    index(["jhmdb", "--videos", "data/jhmdb/videos", "--splits", "splits"])
    table = read_index("data/jhmdb/index.csv").set_index("video")
    assert table["split"].to_dict() == {f"run/{RUN}": "train", f"wave/{WAVE}": "test"}
    assert read_groups(FOLDER, "jhmdb", table.reset_index()).tolist() == ["Film", "#1_(a)_[b]_&!@"]

    decode.main()
    frames = read_table(Path("data/jhmdb/frames"))
    assert frames["status"].tolist() == ["ok", "ok"]
    assert frames["frames"].tolist() == [NUM_FRAMES, NUM_FRAMES]

    capsys.readouterr()
    assert main(["truth", "jhmdb", "--annotations", "puppet_mask"]) == 0
    printed = capsys.readouterr().out
    assert "annotations of 9 frames of 2 videos, 1 of them test videos; jhmdb has 2 videos" in printed
    dataset = load_params().datasets["jhmdb"]
    block = yaml.safe_load(printed.partition("has to be\n")[2])
    assert dataset.truth is not None
    assert block == dataset.truth.model_dump()  # as params.yaml is shipped

    segment.main()
    truth, masks = open_truth(dataset.truth, frames, 1), StoreReader(Path("data/jhmdb/masks"))
    cells, every = puppets(NUM_FRAMES)[1], np.arange(NUM_FRAMES)
    for video, known in ((f"run/{RUN}", [True] * 5), (f"wave/{WAVE}", [True] * 4 + [False])):
        assert truth.known(video, every).tolist() == known
        np.testing.assert_array_equal(truth.union(video, every), cells * np.array(known)[:, None, None])
        last = every if all(known) else np.minimum(every, NUM_FRAMES - 2)
        np.testing.assert_array_equal(union_mask(masks.read_all(video), 0.5, ["person"]), cells[last])
    report = json.loads(Path("results/jhmdb/segment.json").read_text())
    assert (report["truth_frames"], report["iou_truth_person"]) == (9, 1.0)


@pytest.mark.realdata
@pytest.mark.skipif(not REALDATA.is_dir(), reason="no ../shared/realdata")
def test_every_genuine_clip_is_decoded(jhmdb: Path) -> None:
    source = REALDATA / "jhmdb"
    index(["csv", "--dataset", "jhmdb", "--videos", str(source / "videos"), "--csv", str(source / "jhmdb.csv")])
    values = read_yaml(Path("params.yaml").read_text())
    values["datasets"]["jhmdb"]["videos"] = str(source / "videos")
    Path("params.yaml").write_text(yaml.safe_dump(values))
    decode.main()
    table = read_table(Path("data/jhmdb/frames"))
    assert table["status"].tolist() == ["ok"] * 441
    assert table["frames"].sum() == 14_704
    assert set(zip(table["height"], table["width"], strict=True)) == {(240, 320)}
