"""A row's file of results: groups of lines, what is read back, and that it is there whole or not at all."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from objabn.evaluation import results
from objabn.evaluation.results import column_names, read_column, read_results, write_results


def table(first: int, length: int) -> pd.DataFrame:
    numbers = np.arange(first, first + length, dtype=float)
    curves = [np.full(19, number, np.float32) for number in numbers]
    return pd.DataFrame({"video": [f"v{n:.0f}" for n in numbers], "x": numbers, "iou_curve_u": curves, "seed": 0})


def test_what_is_written_reads_back_by_column(tmp_path: Path) -> None:
    path = tmp_path / "new/r.parquet"
    write_results(path, [table(0, 3), table(3, 2)])
    pd.testing.assert_frame_equal(pd.read_parquet(path), pd.concat([table(0, 3), table(3, 2)], ignore_index=True))
    assert column_names(path) == ["video", "x", "iou_curve_u", "seed"]
    assert read_column(path, "x").tolist() == [0, 1, 2, 3, 4]
    curves = read_column(path, "iou_curve_u")
    assert (curves.shape, curves.dtype) == ((5, 19), np.float32)
    assert curves[:, 7].tolist() == [0, 1, 2, 3, 4]
    assert list(read_results(path, ("seed", "video", "entropy_u"))) == ["video", "seed"]  # what the file has


def test_what_is_not_known_reads_back_as_nan(tmp_path: Path) -> None:
    """A number that no video of the first table has, and curves of videos without a truth."""
    tables = [table(0, 2).assign(x=np.nan), table(2, 1)]
    tables[0].at[1, "iou_curve_u"] = np.full(19, np.nan, np.float32)
    write_results(tmp_path / "r.parquet", tables)
    np.testing.assert_array_equal(read_column(tmp_path / "r.parquet", "x"), [np.nan, np.nan, 2])
    curves = read_column(tmp_path / "r.parquet", "iou_curve_u")
    np.testing.assert_array_equal(curves[:, 3], np.array([0, np.nan, 2], np.float32))
    assert curves.dtype == np.float32


def test_lines_are_written_in_groups_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "GROUP", 4)
    at_work = []

    def tables() -> Iterator[pd.DataFrame]:
        for first in range(0, 12, 3):
            [partial] = [*tmp_path.glob(".r.parquet.partial-*")] or [None]
            at_work.append(partial is not None)
            yield table(first, 3)

    write_results(tmp_path / "r.parquet", tables())
    assert at_work == [False, False, True, True]  # the first four lines are out before the third table is asked for
    file = pq.ParquetFile(tmp_path / "r.parquet")
    assert [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)] == [4, 4, 4]
    assert read_column(tmp_path / "r.parquet", "x").tolist() == list(range(12))
    assert read_column(tmp_path / "r.parquet", "iou_curve_u")[:, 0].tolist() == list(range(12))


def test_a_number_that_does_not_exist_is_null(tmp_path: Path) -> None:
    """So that other readers leave it out of means, too."""
    write_results(tmp_path / "r.parquet", [table(0, 3).assign(x=[1.0, np.nan, 3.0])])
    assert pq.read_table(tmp_path / "r.parquet")["x"].to_pylist() == [1.0, None, 3.0]
    np.testing.assert_equal(read_column(tmp_path / "r.parquet", "x"), [1.0, np.nan, 3.0])


def test_a_fault_in_between_leaves_the_former_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "GROUP", 2)
    write_results(tmp_path / "r.parquet", [table(0, 3)])

    def tables() -> Iterator[pd.DataFrame]:
        yield table(5, 2)
        raise ValueError("the network's logits are not finite")

    with pytest.raises(ValueError, match="not finite"):
        write_results(tmp_path / "r.parquet", tables())
    assert [path.name for path in tmp_path.iterdir()] == ["r.parquet"]
    assert read_column(tmp_path / "r.parquet", "x").tolist() == [0, 1, 2]


def test_damage_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    """A byte of a page, whose checksum is checked; a file without an end; no file."""
    path = tmp_path / "r.parquet"
    write_results(path, [table(0, 50)])
    content = path.read_bytes()
    column = pq.ParquetFile(path).metadata.row_group(0).column(1)  # x
    remedy = "make it again: `dvc repro -f -s STAGE`"
    flipped = bytearray(content)
    flipped[column.data_page_offset + 90] ^= 1
    for damaged in (bytes(flipped), content[:-7], b"", b"PAR1"):
        path.write_bytes(damaged)
        for read in (lambda: read_results(path, ["video", "x"]), lambda: read_column(path, "x")):
            with pytest.raises(ValueError, match=f"^{path}: is damaged; {remedy}$"):
                read()
    path.unlink()
    with pytest.raises(ValueError, match=f"^{path}: expected a row's results, got no file; `dvc repro` evaluates"):
        column_names(path)
