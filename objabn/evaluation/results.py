"""A row's file of results: Parquet, one line a video and seed, written and read without holding all of it.

A column of numbers, or under a name that begins with CURVE one of curves: K numbers a line.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from objabn.system.files import replace_file

CURVE = "iou_curve_"
IDS = ("video", "label", "predicted", "seed")  # columns that are no measure
GROUP = 4096  # lines in memory, and of a row group: a writer keeps something of each group until it ends


def write_results(path: Path, tables: Iterable[pd.DataFrame]) -> None:
    """Write tables of the same columns as one file, as they come.

    The file appears whole or not at all. NaN becomes null.
    """
    with replace_file(path) as partial, ExitStack() as stack:
        writer = None
        for group in _groups(tables):
            if writer is None:
                writer = stack.enter_context(pq.ParquetWriter(partial, group.schema, write_page_checksum=True))
            writer.write_table(group)


def _groups(tables: Iterable[pd.DataFrame]) -> Iterator[pa.Table]:
    """The same lines in tables of GROUP lines, the last with fewer.

    Lines are copied into columns that stand from the start. Small tables that were kept until there are enough of them
    would lie scattered over the heap, between the batches' tensors, whose space could not be used again as a whole:
    2 MB a batch.
    """
    columns: dict[str, np.ndarray] = {}
    filled = 0
    for table in tables:
        arriving = {str(name): _values(table[name]) for name in table}
        if not columns:
            columns = {name: np.empty((GROUP, *values.shape[1:]), values.dtype) for name, values in arriving.items()}
        taken = 0
        while taken < len(table):
            number = min(GROUP - filled, len(table) - taken)
            for name, values in arriving.items():
                columns[name][filled : filled + number] = values[taken : taken + number]
            filled, taken = filled + number, taken + number
            if filled == GROUP:
                yield _arrow(columns, filled)
                filled = 0
    if filled:
        yield _arrow(columns, filled)


def _values(column: pd.Series) -> np.ndarray:
    """Numbers or texts (lines,), curves (lines, K)."""
    return np.stack(column.to_list()) if str(column.name).startswith(CURVE) else column.to_numpy()


def _arrow(columns: dict[str, np.ndarray], length: int) -> pa.Table:
    """The first lines of the columns."""
    arrays = {}
    for name, values in columns.items():
        array = pa.array(values[:length].ravel(), from_pandas=True)
        arrays[name] = pa.FixedSizeListArray.from_arrays(array, values.shape[1]) if values.ndim == 2 else array
    return pa.table(arrays)


def column_names(path: Path) -> list[str]:
    """List the names of the file's columns, in their order.

    Raises:
        ValueError: there is no such file, or it is damaged.
    """
    with _told_apart(path):
        return pq.read_schema(path).names


def read_column(path: Path, name: str) -> np.ndarray:
    """Read one column, (lines,), or (lines, K) of curves.

    Raises:
        ValueError: there is no such file or column, or the file is damaged.
    """
    with _told_apart(path):
        column = pq.read_table(path, columns=[name], page_checksum_verification=True)[name]
    if not name.startswith(CURVE):
        return column.to_numpy()
    return pc.list_flatten(column).to_numpy().reshape(len(column), -1)


def read_results(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read those of the columns that the file has.

    Raises:
        ValueError: there is no such file, or it is damaged.
    """
    wanted = [name for name in column_names(path) if name in columns]
    with _told_apart(path):
        return pq.read_table(path, columns=wanted, page_checksum_verification=True).to_pandas()


@contextmanager
def _told_apart(path: Path) -> Iterator[None]:
    """Turn what Arrow raises for a file that it cannot read into a ValueError that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise ValueError(
            f"{path}: expected a row's results, got no file; `dvc repro` evaluates the row again"
        ) from None
    except (OSError, KeyError, pa.ArrowException) as error:
        raise ValueError(f"{path}: is damaged; make it again: `dvc repro -f -s STAGE`") from error
