"""Results by class, counted by hand."""

import numpy as np
import pandas as pd
import pytest

from objabn.report.names import Row
from objabn.report.page.confusion import class_names, confusion, recalls, sparse

TABLE = pd.DataFrame({"label": ["walk", "walk", "jump", "walk"], "predicted": ["walk", "jump", "jump", "kick"]})


def test_confusion_by_hand() -> None:
    names = class_names(
        {Row("abn", False): TABLE, Row("mask", True): pd.DataFrame({"label": ["sit"], "predicted": ["walk"]})}
    )
    assert names == ["jump", "kick", "sit", "walk"]
    counts = confusion(TABLE, names)
    assert counts.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 1]]
    assert sparse(counts) == [0, 0, 1, 3, 0, 1, 3, 1, 1, 3, 3, 1]
    np.testing.assert_allclose(recalls(counts), [1, np.nan, np.nan, 1 / 3])


def test_a_class_that_is_not_listed() -> None:
    with pytest.raises(AssertionError, match="a class that is not in names"):
        confusion(TABLE, ["jump", "walk"])
