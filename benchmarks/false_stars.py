"""How often a star stands where nothing differs, and how often where something does: a simulation.

python -m benchmarks.false_stars --repetitions 2000

Each repetition draws trainings of two rows with the spreads that were measured on the embedded data, and compares them
as the table does (`objabn.statistics.contrast`). A cell below 2 % false stars is marked as too wide: there the
intervals hide differences that they could show. The last lines are of a row whose trainings are of two kinds, as those
of `abn` are in pointing: no interval of three trainings can know that, and more of its stars are false.
"""

import argparse
from typing import NamedTuple

import numpy as np
from scipy import stats

from objabn.statistics.contrast import contrast, of_means

MOST, MOST_ON_AVERAGE, TOO_WIDE = 8.0, 6.0, 2.0  # percent of false stars
WITHIN_RECORDINGS = 0.36  # correlation of what two videos of a recording have
SEEDS = (3, 5)


class Measure(NamedTuple):
    """Spreads of a measure.

    Attributes:
        seeds: standard deviation over trainings, of the one row and of the other.
        videos: standard deviation over videos of what all trainings of both rows share, of what those of a row share,
            and of the rest.
        difference: a true one, to ask how often it is seen.
        two_kinds: trainings of the one row lie at either end, in place of a normal distribution.
    """

    seeds: tuple[float, float]
    videos: tuple[float, float, float]
    difference: float
    two_kinds: bool = False


MEASURES = {
    "entropy": Measure((0.066, 0.066), (0.17, 0.22, 0.16), 0.2),  # bits
    "pointing": Measure((7.6, 1.4), (4.0, 8.0, 13.0), 10.0),  # points
    "iou": Measure((0.024, 0.037), (0.042, 0.035, 0.046), 0.05),
    "top1": Measure((0.9, 0.9), (0.60, 0.05, 0.35), 5.0),  # points; of videos: shares of what makes an answer wrong
}
TWO_KINDS = Measure((18.0, 1.4), (4.0, 8.0, 13.0), 10.0, two_kinds=True)
ACCURACY = 92.0  # percent, of the better row


def designs() -> dict[str, np.ndarray]:
    """Return the recording of each test video, int (N,), by the name of the design."""
    draw = np.random.default_rng(0)
    clustered = np.sort(np.concatenate([np.arange(707), draw.integers(0, 707, 3_783 - 707)]))  # as UCF101's split 1
    return {
        "128 videos": np.arange(128),
        "128 videos of 32 recordings": np.repeat(np.arange(32), 4),
        "3,783 videos": np.arange(3_783),
        "3,783 videos of 707 recordings": clustered,
    }


def stars(name: str | Measure, recordings: np.ndarray, seeds: int, repetitions: int, *, differs: bool = False) -> float:
    """Return the percentage of repetitions in which the difference gets a star.

    Args:
        name: of MEASURES, or a measure of its own.
        differs: the rows differ by the measure's `difference`, and a star of the other sign does not count.
    """
    measure = MEASURES[name] if isinstance(name, str) else name
    draw, count = np.random.default_rng([seeds, len(recordings)]), 0
    for _ in range(repetitions):
        rows = _rows(draw, measure, recordings, seeds, measure.difference * differs, is_share=name == "top1")
        interval = contrast(*[of_means(row, recordings) for row in rows]).interval
        if interval is not None:
            count += interval[0] > 0 or (interval[1] < 0 and not differs)
    return 100 * count / repetitions


def _rows(
    draw: np.random.Generator,
    measure: Measure,
    recordings: np.ndarray,
    seeds: int,
    difference: float,
    *,
    is_share: bool,
) -> list[np.ndarray]:
    """Draw the values of two rows, float (S, N) each."""
    is_clustered = recordings[-1] + 1 < len(recordings)

    def field(*shape: int) -> np.ndarray:
        """Standard normal values, videos of one recording alike."""
        alone = draw.normal(size=(*shape, len(recordings)))
        if not is_clustered:
            return alone
        together = draw.normal(size=(*shape, recordings[-1] + 1))[..., recordings]
        return np.sqrt(1 - WITHIN_RECORDINGS) * alone + np.sqrt(WITHIN_RECORDINGS) * together

    all_share, row_shares, rest = np.sqrt(measure.videos) if is_share else np.array(measure.videos)
    common, rows = all_share * field(), []
    for at, (spread, shift) in enumerate(zip(measure.seeds, (0.0, -difference), strict=True)):
        of_kinds = measure.two_kinds and at == 0
        drawn = spread * draw.choice([-1, 1], (seeds, 1)) if of_kinds else draw.normal(0, spread, (seeds, 1))
        trainings = shift + drawn
        videos = common + row_shares * field() + rest * field(seeds)
        if is_share:
            limit = stats.norm.ppf(np.clip((ACCURACY + trainings) / 100, 0.001, 0.999))
            rows.append(np.where(videos < limit, 100.0, 0.0))
        else:
            rows.append(trainings + videos)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2000)
    repetitions = parser.parse_args().repetitions
    print("| design | seeds | measure | false stars % | true difference | seen % |\n|---|---|---|---|---|---|")
    found = []
    for design, recordings in designs().items():
        for seeds in SEEDS:
            for name, measure in MEASURES.items():
                wrong = stars(name, recordings, seeds, repetitions)
                seen = stars(name, recordings, seeds, repetitions, differs=True)
                found.append(wrong)
                note = " (too wide)" if wrong < TOO_WIDE else ""
                print(f"| {design} | {seeds} | {name} | {wrong:.1f}{note} | {measure.difference:g} | {seen:.0f} |")
    print(f"\nfalse stars: {np.mean(found):.1f} % on average, {max(found):.1f} % at most")
    for seeds in (*SEEDS, 10):
        wrong = stars(TWO_KINDS, designs()["128 videos"], seeds, repetitions)
        print(f"trainings of two kinds, 128 videos, {seeds} seeds: {wrong:.1f} %")


if __name__ == "__main__":
    main()
