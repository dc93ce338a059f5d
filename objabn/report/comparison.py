"""All that the rows of a data set are compared by, read once: what the tables, the plots and the page are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from objabn.config.rows import LOSSES, NETWORK
from objabn.config.schema import Dataset
from objabn.evaluation.kept_maps import KeptMaps, read_maps
from objabn.evaluation.numbers import Number, Numbers, column, over_seeds, read_numbers
from objabn.evaluation.results import read_results
from objabn.report.intervals import COLUMNS as COMPARED
from objabn.report.intervals import MEASURES, SHARPNESS, Difference, count_recordings, row_difference
from objabn.report.names import GRAD_CAM, KEPT, OWN, REFERENCE, Row, compared_map
from objabn.report.published import Published, beside_published
from objabn.report.within import COLUMNS as WITHIN_COLUMNS
from objabn.report.within import WITHIN, masks_of, row_within
from objabn.segmentation.quality import read_mask_quality
from objabn.system.files import read_json

# What is read of the results of a row.
COLUMNS = (
    *COMPARED, *WITHIN_COLUMNS, "top5", "label", "predicted", "top1_attention", "insertion_random",
    "object_area", "truth_area",
    *(column(measure, letter) for measure in ("entropy", "iou_truth", "iou_fit") for letter in KEPT),
)  # fmt: skip


class Masks(NamedTuple):
    """What is known of the masks."""

    quality: Mapping[str, float]  # `segmentation.quality.summarise`
    videos: pd.DataFrame  # `segmentation.quality.video_quality`
    picture: Path
    segmenter: Mapping[str, Any] | None = None  # `segmentation.provenance.provenance`; None of older results


@dataclass
class Comparison:
    """The rows of a data set, in the order of the table.

    Attributes:
        name: of the data set.
        params: of the data set.
        seeds: trainings of each row.
        numbers: of each row.
        per_video: results of each row, a line a video and seed, columns COLUMNS as far as they are there.
        trainings: of each row, as `training_notes` gives them.
        masks: of the data set.
        videos: the frame store's table of videos.
        recordings: of each video (index) the recording that it is cut from; None: each is its own.
        blocks: of controls the parameters of the data set as they change them; other rows have `params`.
        grids: of each row the cells a side of its maps; a row of which that is not known is not there.
    """

    name: str
    params: Dataset
    seeds: Sequence[int]
    numbers: Mapping[Row, Numbers]
    per_video: Mapping[Row, pd.DataFrame]
    trainings: Mapping[Row, Mapping[str, Any]]
    masks: Masks
    videos: pd.DataFrame
    recordings: pd.Series | None = None
    blocks: Mapping[Row, Dataset] = field(default_factory=dict)
    grids: Mapping[Row, int] = field(default_factory=dict)
    _differences: dict[tuple[Row, Row, str], Difference | None] = field(default_factory=dict)
    _within: dict[tuple[Row, str], Difference | None] = field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        return list(self.numbers)

    @property
    def losses_first(self) -> list[Row]:
        """The rows, loss configurations before controls: a control may have other clips, masks or maps."""
        return sorted(self.rows, key=lambda row: row.attention not in LOSSES)

    @property
    def elsewhere(self) -> dict[Row, Mapping[str, Any]]:
        """What is known of the networks that were not trained here, by row."""
        return {row: notes[NETWORK] for row, notes in self.trainings.items() if NETWORK in notes}

    def block(self, row: Row) -> Dataset:
        """Return the data set's parameters as they are for a row."""
        return self.blocks.get(row, self.params)

    def number(self, row: Row, measure: str, letter: str = "") -> Number | None:
        """Return a measure of a row, or None where it has none.

        It has no spread where the row was not trained here: its seeds are one network.
        """
        found = self.numbers[row].get((measure, letter))
        return found._replace(std=None) if found and row in self.elsewhere else found

    def shared(self, keys: Mapping[str, tuple[str, str]]) -> dict[str, float]:
        """Return numbers that are the same in all rows, by name; nothing where no row has one.

        They are those of the first row that has some, a loss configuration if there is one: all rows are tested on the
        same clips, but a control may bring the masks to another grid, or in another way.

        Args:
            keys: by name a measure and the letter of a map.
        """
        for row in self.losses_first:
            numbers = {name: self.number(row, *key) for name, key in keys.items()}
            if known := {name: number.mean for name, number in numbers.items() if number}:
                return known
        return {}

    def compared_map(self, row: Row, measure: str) -> str | None:
        """Return the letter of the map that the row is compared by, or None where no map has the measure."""
        return compared_map([column(*key) for key in self.numbers[row]], measure)

    def own_maps(self, row: Row) -> list[str]:
        """List the letters of the maps that the row's network was trained with, in the order of all tables."""
        letters = {letter for _, letter in self.numbers[row]}
        return [letter for letter in OWN if letter in letters]

    def kept_maps(self, row: Row) -> list[str]:
        """List the letters of the maps that stand for the row: its own, or Grad-CAM's where it has none."""
        return self.own_maps(row) or [GRAD_CAM]

    def percent(self, row: Row, name: str) -> Number | None:
        """Return the percentage of videos that have a column of 0 and 1; None where the row lacks it."""
        table = self.per_video[row]
        if name not in table or table[name].isna().all():
            return None
        means = 100 * table.groupby("seed")[name].mean()
        return Number(float(means.mean()), float(means.std(ddof=1)) if len(means) > 1 else None)

    def within(self, row: Row, measure: str) -> Difference | None:
        """Tell what a row loses, or gains, within itself (`within.WITHIN`); None where it lacks one of the two."""
        if (row, measure) not in self._within:
            self._within[row, measure] = row_within(self.per_video[row], measure, self.recordings, self.masks_given)
        return self._within[row, measure]

    def by_training(self, row: Row, measure: str) -> list[float]:
        """List a difference within a row, one of WITHIN, of each training; without those that lack it."""
        table = self.per_video[row]
        seeds = [of_seed for _, of_seed in table.groupby("seed")] if "seed" in table else []
        found = [row_within(of_seed, measure, self.recordings, self.masks_given) for of_seed in seeds]
        return [each.mean for each in found if each is not None]

    @cached_property
    def masks_given(self) -> str:
        """Name the masks that stood in the maps' place: truth, or masks, the segmenter's."""
        return masks_of(self.per_video.values())

    @cached_property
    def empty_share(self) -> float:
        """Return the share of frames without an object, as `shared`; 0 where no row knows it."""
        return self.shared({"share": ("empty_share", "")}).get("share", 0.0)

    def num_videos(self, row: Row) -> int:
        """Count the test videos of a row."""
        return self.per_video[row]["video"].nunique()

    @cached_property
    def num_recordings(self) -> int:
        """Count the recordings of the test videos."""
        return count_recordings(list(self.per_video[self.rows[0]]["video"].unique()), self.recordings)

    def difference(self, row: Row, reference: Row, measure: str) -> Difference | None:
        """Tell how far a row is from another (`intervals.row_difference`); None where one is not there or lacks it.

        Entropies of maps of other grids are told apart by `Difference.grids`, but where `eval.entropy_size` brings all
        maps to one grid.
        """
        key = (row, reference, measure)
        if key not in self._differences:
            there = row in self.per_video and reference in self.per_video
            tables = (self.per_video[row], self.per_video[reference]) if there else None
            self._differences[key] = row_difference(*tables, measure, self.recordings) if tables else None
        found = self._differences[key]
        own, other = self.grids.get(row), self.grids.get(reference)
        if found is None or measure != SHARPNESS or self.params.eval.entropy_size or own is None or other is None:
            return found
        return found if own == other else found._replace(grids=(own, other))

    @cached_property
    def num_classes(self) -> int | None:
        """Count the classes of the data set; None where there is no table of videos."""
        return self.videos["label"].nunique() if "label" in self.videos else None

    @cached_property
    def differences(self) -> dict[Row, dict[str, Difference]]:
        """How far each row is from REFERENCE, by measure; none for that row itself, nor where it is not there."""
        return {
            row: {
                measure: difference
                for measure in MEASURES
                if row != REFERENCE and (difference := self.difference(row, REFERENCE, measure)) is not None
            }
            for row in self.rows
        }

    @cached_property
    def has_intervals(self) -> bool:
        """Whether one of the differences to REFERENCE has an interval."""
        return any(each.low is not None for of_row in self.differences.values() for each in of_row.values())

    @cached_property
    def published(self) -> dict[Row, dict[tuple[str, str], Published]]:
        """Each row beside the paper's."""
        return {
            row: beside_published(self.params.published, row, self.numbers[row], self.per_video[row], self.recordings)
            for row in self.rows
        }

    def tidy(self) -> pd.DataFrame:
        """Return all numbers, a line for each row, map and measure.

        Columns: attention, pc, map, measure, mean, std (over the seeds; none of a row that was not trained here),
        minus_abn, low, high (the difference to abn and its 95 % interval), p (of no difference), smallest (difference
        that the design sees), paper (the published value); empty where there is none. `lost_even` is what one even
        weight costs. Of the measures `within_*` (`within.WITHIN`) mean is the difference within the row, and low to
        smallest are its own.
        """
        lines = []
        for row in self.rows:
            for measure, letter in self.numbers[row]:
                number = self.number(row, measure, letter)
                assert number is not None
                compared = letter == "" or letter == self.compared_map(row, measure)
                difference = self.differences[row].get(measure) if compared else None
                published = self.published[row].get((measure, letter))
                ends = difference[:5] if difference else (None,) * 5
                lines.append((*row, letter, measure, *number, *ends, published.value if published else None))
            if costs := self.by_training(row, "even"):
                spread = float(pd.Series(costs).std(ddof=1)) if len(costs) > 1 else None
                difference = self.differences[row].get("lost_even")
                ends = difference[:5] if difference else (None,) * 5
                lines.append((*row, "", "lost_even", sum(costs) / len(costs), spread, *ends, None))
            for measure in WITHIN:
                if found := self.within(row, measure):
                    lines.append((*row, "", f"within_{measure}", found.mean, None, None, *found[1:5], None))
        names = [
            "attention", "pc", "map", "measure", "mean", "std", "minus_abn", "low", "high", "p", "smallest", "paper",
        ]  # fmt: skip
        return pd.DataFrame(lines, columns=names).round(6)


def read_comparison(
    name: str,
    params: Dataset,
    seeds: Sequence[int],
    results: Mapping[Row, Path],
    segment_report: Path,
    mask_picture: Path,
    videos: pd.DataFrame,
    recordings: pd.Series,
    blocks: Mapping[Row, Dataset],
    kept: Mapping[Row, KeptMaps],
) -> Comparison:
    """Read what evaluation and segmentation have written.

    Args:
        blocks: as `Comparison` has them; kept: of each row (`read_kept_maps`).
        results: of each row its file of numbers, beside which are the others (`Paths.result`).
        segment_report: the masks' quality; beside it the table of each video's.
    """
    return Comparison(
        name,
        params,
        seeds,
        {row: over_seeds(read_numbers(path)) for row, path in results.items()},
        {row: read_results(path.with_suffix(".parquet"), COLUMNS) for row, path in results.items()},
        {row: read_json(path.with_suffix(".training.json")) for row, path in results.items()},
        read_masks(segment_report, mask_picture),
        videos,
        recordings,
        blocks,
        {row: maps.maps.shape[-1] for row, maps in kept.items()},
    )


def read_masks(segment_report: Path, mask_picture: Path) -> Masks:
    """Read what segmentation has written; older versions did not say what made the masks."""
    quality = read_json(segment_report)
    segmenter = quality.pop("segmenter", None)
    return Masks(quality, read_mask_quality(segment_report.with_suffix(".csv")), mask_picture, segmenter)


def read_kept_maps(results: Mapping[Row, Path]) -> dict[Row, KeptMaps]:
    """Read the maps that were kept of each row."""
    return {row: read_maps(path.with_suffix(".npz")) for row, path in results.items()}
