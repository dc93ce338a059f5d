"""A row's file of maps: what is written reads back, the same bytes each time, and other files are refused."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from objabn.evaluation.kept_maps import KeptMaps, read_maps, write_maps


def kept() -> KeptMaps:
    maps = np.arange(2 * 2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 2, 3, 4, 5)
    frames = np.array([[0, 4, 8], [2, 6, 10]])
    boxes = np.array([[0, 0, 1, 1], [0.125, 0, 0.875, 1]], np.float32)
    return KeptMaps(np.array(["wave/a", "größer/b"]), np.array(["u", "o"]), maps, frames, boxes)


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "new/row.npz"
    write_maps(path, kept())
    for name, found in read_maps(path)._asdict().items():
        np.testing.assert_array_equal(found, getattr(kept(), name), strict=True)
    assert [each.name for each in path.parent.iterdir()] == ["row.npz"]


def test_writing_twice_gives_the_same_bytes_and_no_dates(tmp_path: Path) -> None:
    one, other = tmp_path / "a.npz", tmp_path / "b.npz"
    write_maps(one, kept())
    write_maps(other, kept())
    assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(one) as archive:
        entries = archive.infolist()
    assert [each.filename for each in entries] == [f"{name}.npy" for name in KeptMaps._fields]
    assert {each.date_time for each in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {each.compress_type for each in entries} == {zipfile.ZIP_STORED}
    assert {each.extract_version for each in entries} == {20}  # numpy's own say 45 with some Pythons


def test_a_fault_while_writing_leaves_the_former_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "row.npz"
    write_maps(path, kept())
    before = path.read_bytes()

    def full(archive: zipfile.ZipFile, *_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match="no space"):
        write_maps(path, kept())
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["row.npz"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("maps", kept().maps / 255, "maps: expected u1 of 5 axes, got f8 of 5"),
        ("maps", kept().maps[0], "maps: expected u1 of 5 axes, got u1 of 4"),
        ("videos", np.array(["one"]), "videos: expected (2,) beside maps (2, 2, 3, 4, 5), got (1,)"),
        ("map_names", np.array(["u"]), "map_names: expected (2,) beside maps (2, 2, 3, 4, 5), got (1,)"),
        ("frames", kept().frames[:, :2], "frames: expected (2, 3) beside maps (2, 2, 3, 4, 5), got (2, 2)"),
        ("boxes", kept().boxes[:, :3], "boxes: expected (2, 4) beside maps (2, 2, 3, 4, 5), got (2, 3)"),
    ],
)
def test_arrays_that_do_not_belong_together(tmp_path: Path, field: str, value: np.ndarray, message: str) -> None:
    wrong = kept()._replace(**{field: value})
    path = tmp_path / "row.npz"
    with pytest.raises(AssertionError, match=re.escape(message)):
        write_maps(path, wrong)
    np.savez_compressed(path, **wrong._asdict())
    with pytest.raises(ValueError, match=re.escape(f"{path}: not a row's attention maps: {message}")):
        read_maps(path)


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "row.npz"
    with pytest.raises(ValueError, match=r"row\.npz: expected the row's attention maps, got no file; `dvc repro`"):
        read_maps(path)
    whole = tmp_path / "whole.npz"
    write_maps(whole, kept())
    for content in (b"", b"{}", b"PK\x03\x04 and no more", whole.read_bytes()[:-100]):
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=r"row\.npz: expected a row's attention maps, got another or a broken"
        ) as e:
            read_maps(path)
        assert "\n" not in str(e.value)
    np.savez(path, videos=np.array(["a"]))
    with pytest.raises(ValueError, match=r"broken file .*map_names"):
        read_maps(path)
    np.savez(path, **kept()._replace(videos=np.array([object(), object()]))._asdict())
    with pytest.raises(ValueError, match=r"broken file .*allow_pickle"):
        read_maps(path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(ValueError, match="got another or a broken file"):
        read_maps(tmp_path / "array.npy")
