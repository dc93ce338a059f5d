"""Say what the numbers of a model card do not say."""

from collections.abc import Mapping
from typing import Any

from objabn.config.rows import MAPS
from objabn.config.schema import Dataset
from objabn.report.gradients import LEAST, percent
from objabn.report.names import MAP_NAMES
from objabn.sharing.numbers import Interval, Numbers
from objabn.sharing.source import Source

_BASELINES = {"c": "a bump in the middle of the frame", "m": "motion", "g": "Grad-CAM of the same network"}


def limits(source: Source, params: Dataset, numbers: Numbers | None, pc_share: float | None) -> list[str]:
    """List the limits of a row, a sentence or two each.

    Args:
        pc_share: PC's share of the gradient on the attention branch, the mean over the trainings, or None.
    """
    record = source.record
    told = _on_purpose(record) + _of_data(params, record)
    if numbers is None:
        return [*told, "The network was not evaluated: nothing is known of its accuracy or its maps."]
    if not (numbers.against_abn or numbers.within):
        told.append(
            "No number here has an interval. Another training of the same row may differ by more than the rows do."
        )
    if (top1 := numbers.against_abn.get(("top1", ""))) and _is_noise(top1):
        told.append(f"Its top-1 differs from that of `abn` by no more than noise: {top1.text(1, ' points')}.")
    if MAPS[record["attention"]]:
        told += [_use(numbers), *_place(numbers)]
    else:
        told.append("The network has no attention branch. Its map is Grad-CAM's, which no answer goes through.")
    if record["pc"] and pc_share is not None and pc_share < LEAST:
        told.append(
            f"PC's share of the gradient on the attention branch was {percent(pc_share)}: in effect it was trained "
            "without PC."
        )
    return told


def _is_noise(difference: Interval) -> bool:
    return difference.low <= 0 <= difference.high


def _on_purpose(record: Mapping[str, Any]) -> list[str]:
    """Say what a control was taught that is wrong."""
    told = []
    if record.get("labels", "own") != "own":
        told.append("It was trained with the labels of other videos on purpose. Its answers are worth nothing.")
    masks = record.get("masks", "own")
    if masks in ("shifted", "other"):
        what = "moved to another place" if masks == "shifted" else "of other videos"
        told.append(f"It was trained with masks {what} on purpose. Its maps are for comparison only.")
    elif isinstance(masks, dict) and (masks.get("shift") or masks.get("drop")):
        told.append(
            f"It was trained with masks that were made worse on purpose: shifted by {masks.get('shift', 0):.0%} of the "
            f"frame's side, missing in {masks.get('drop', 0):.0%} of the frames."
        )
    return told


def _of_data(params: Dataset, record: Mapping[str, Any]) -> list[str]:
    told = []
    if params.synthesize is not None:
        told.append(
            "The videos are drawn figures that the code makes itself. Nothing here says how such a network does on "
            "videos of a camera. The parameters were tuned on these test videos, so the accuracy is a little too high."
        )
    told.append("All numbers are of this data set's test videos. Other videos, cameras and actions were not tested.")
    if params.train.report == "best" and record.get("validated_on", "test") == "test":
        told.append("The epoch was chosen by the top-1 on the test videos, so the accuracy is too high.")
    return told


def _use(numbers: Numbers) -> str:
    """Say whether the answer uses the map."""
    found = numbers.within.get("within_even")
    if found is None:
        return "It was not measured whether the answer uses the map."
    cost = f"One even weight in the place of the map costs {found.text(1, ' points', sign='-')} of top-1"
    if _is_noise(found):
        return f"It is not shown that the answer uses the map. {cost}."
    return f"{cost}: by this comparison alone, the answer uses the map. That says nothing of a single video."


def _place(numbers: Numbers) -> list[str]:
    """Set what knows nothing of the network beside the map that was taught."""
    letter = next((each for each in ("o", "u") if ("pointing", each) in numbers.means), None)
    if letter is None:
        return ["It was not measured where the map lies: the data set has no true masks or boxes."]
    name, own = MAP_NAMES[letter], f"{100 * numbers.means['pointing', letter].mean:.1f} %"
    others = [
        f"{words} in {100 * numbers.means['pointing', each].mean:.1f} %"
        for each, words in _BASELINES.items()
        if ("pointing", each) in numbers.means
    ]
    beside = f" For comparison: {', '.join(others)}." if others else ""
    lies = f"{name} is highest on the true object in {own} of the frames that have one.{beside}"
    told = [lies, *_ranking(numbers, letter)]
    taught = f"{name} was taught where the object is. That it lies there is no evidence of what the answer needs."
    return [*told, taught] if letter == "o" else told


def _ranking(numbers: Numbers, letter: str) -> list[str]:
    """Set insertion and deletion of the row's map beside those of Grad-CAM."""
    found = [[numbers.means.get((measure, each)) for each in (letter, "g")] for measure in ("insertion", "deletion")]
    (own_in, other_in), (own_out, other_out) = found
    if own_in is None or other_in is None or own_out is None or other_out is None:
        return []
    return [
        f"Cells in the order of {MAP_NAMES[letter]} have insertion {own_in.mean:.2f} (more is better) and deletion "
        f"{own_out.mean:.2f} (less is better), those in the order of Grad-CAM {other_in.mean:.2f} and "
        f"{other_out.mean:.2f}."
    ]
