"""The smallest difference that a design sees: found again by drawing."""

import math

import numpy as np
import pytest

from objabn.statistics.contrast import contrast, of_means
from objabn.statistics.power import (
    MEASURED,
    POWER,
    TOP1,
    binomial_spread,
    design_words,
    expected_error,
    smallest_difference,
    smallest_of,
)


@pytest.mark.parametrize("df", [2.0, 4.0, 30.0, math.inf])
def test_the_smallest_difference_is_seen_in_four_of_five_cases(df: float) -> None:
    from objabn.statistics.contrast import critical

    draw = np.random.default_rng(0)
    shift = smallest_difference(2.0, df)
    spread = np.ones(20_000) if math.isinf(df) else np.sqrt(draw.chisquare(df, 20_000) / df)
    seen = np.abs(draw.normal(shift, 2.0, 20_000)) > critical(df) * 2.0 * spread
    assert seen.mean() == pytest.approx(POWER, abs=0.01)


def test_the_error_that_a_design_will_have() -> None:
    """That of drawn designs, on average."""
    draw, seed_std, row_std = np.random.default_rng(1), 0.3, 2.0
    variances = []
    for _ in range(400):
        sides = [draw.normal(0, seed_std, (4, 1)) + draw.normal(0, row_std, 50) for _ in range(2)]
        variances.append(contrast(*[of_means(side, np.arange(50)) for side in sides]).error ** 2)
    error, df = expected_error(seed_std, row_std, seeds=4, videos=50)
    assert math.sqrt(np.mean(variances)) == pytest.approx(error, rel=0.05)
    assert df > 6
    assert expected_error(0.0, row_std, seeds=4, videos=50) == (pytest.approx(math.sqrt(2 * 4 / 50)), math.inf)


def test_the_design_in_words() -> None:
    """Each measure from its own spreads; more seeds see smaller differences."""
    for seeds, recordings in ((3, 128), (5, 3_783)):
        words = design_words(seeds, recordings).split(", ")
        assert len(words) == len(MEASURED)
        for part, (name, spread) in zip(words, MEASURED.items(), strict=True):
            seed_std = math.sqrt(spread.seeds**2 + spread.rest**2 / recordings)
            error = expected_error(seed_std, spread.rows, seeds=seeds, videos=recordings)
            assert part == f"{name} {smallest_difference(*error):.{spread.decimals}f}{spread.unit}"
    assert float(design_words(5, 128).split()[1]) < float(design_words(3, 128).split()[1])
    assert design_words(3, 128, leave_out=(TOP1,)) == design_words(3, 128).partition(", ")[2]


def test_what_chance_alone_lets_a_design_see() -> None:
    """Drawn trainings that answer each of 100 videos right in 4 of 10 cases: the error and its degrees of freedom."""
    draw = np.random.default_rng(2)
    rows = 100 * (draw.random((2000, 2, 3, 100)) < 0.4).mean(axis=3)  # points of each training
    differences = rows.mean(axis=2) @ [1, -1]
    error = np.sqrt(2 / 3) * binomial_spread(0.4).rest / 10
    assert differences.std() == pytest.approx(error, rel=0.05)
    assert smallest_of(binomial_spread(0.4), 3, 100) == pytest.approx(smallest_difference(error, 4))
