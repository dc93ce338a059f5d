"""Which test videos the report's gallery shows, in orders that one would look for by hand."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from objabn.report.names import REFERENCE, Row, compared_map

PER_ORDER, MOST = 8, 24  # videos of an order, and of all together


class Order(NamedTuple):
    """Videos in an order that answers a question."""

    name: str
    words: str  # what was asked for, a sentence
    videos: list[str]


def choose(tables: Mapping[Row, pd.DataFrame]) -> list[Order]:
    """The orders that these rows allow, each of at most PER_ORDER videos, of at most MOST videos together.

    Videos that are wrong in most rows; those whose entropies differ most between abn and the row that is sharpest on
    average; those where the row that overlaps best with the truth (without truth: with the training masks) overlaps
    least; and typical ones, of different classes. Of equals the first by id.

    Args:
        tables: of each row a line a video, the same videos in each: columns video, label, top1, entropy_x, and
            iou_truth_x or iou_fit_x.
    """
    by_video = {row.name: table.set_index("video").sort_index() for row, table in tables.items()}
    labels = next(iter(by_video.values()))["label"]
    found = [make(by_video) for make in (_wrong, _apart, _least_overlap)]
    ranked = [(*each[:2], list(each[2])) for each in found if each is not None and len(each[2])]
    ranked.append(_typical(by_video, labels))
    shown: set[str] = set()
    kept: list[list[str]] = [[] for _ in ranked]
    for rank in range(PER_ORDER):  # in turn, so that no order takes the others' place
        for (_, _, videos), own in zip(ranked, kept, strict=True):
            if rank < len(videos) and (videos[rank] in shown or len(shown) < MOST):
                own.append(videos[rank])
                shown.add(videos[rank])
    return [Order(name, words, own) for (name, words, _), own in zip(ranked, kept, strict=True) if own]


def fitting(orders: Sequence[Order], sizes: Mapping[str, int], most: int) -> list[Order]:
    """Leave out the last videos of the longest orders until all together are small enough; each keeps its first.

    Args:
        sizes: bytes of each video.
        most: bytes of all videos together.

    >>> orders = [Order("a", "", ["x", "y"]), Order("b", "", ["z"])]
    >>> [order.videos for order in fitting(orders, {"x": 4, "y": 4, "z": 4}, 9)]
    [['x'], ['z']]
    """
    videos = [list(order.videos) for order in orders]
    while sum(sizes[video] for video in set().union(*videos)) > most and any(len(own) > 1 for own in videos):
        max(videos, key=len).pop()
    return [order._replace(videos=own) for order, own in zip(orders, videos, strict=True)]


_Ranked = tuple[str, str, list[str]]
_Tables = Mapping[str, pd.DataFrame]  # by the row's name; of the same videos, sorted


def leading(table: pd.DataFrame, kind: str) -> pd.Series:
    """A measure of the map that a row is compared by (`names.COMPARED`); all NaN where it has none."""
    letter = compared_map(table.columns, kind)
    return table[f"{kind}_{letter}"] if letter else pd.Series(float("nan"), table.index)


def _wrong(tables: _Tables) -> _Ranked:
    counts = pd.DataFrame({row: 1 - table["top1"] for row, table in tables.items()}).sum(axis=1)
    words = f"Videos that most of the {len(tables)} rows predict wrongly."
    return "Wrong in most rows", words, _ranked(counts[counts > 0])


def _apart(tables: _Tables) -> _Ranked | None:
    entropies = pd.DataFrame({row: leading(table, "entropy") for row, table in tables.items()})
    means = entropies.mean().dropna()
    if len(means) < 2:
        return None
    names, values = list(means.index), means.to_list()
    sharpest = names[values.index(min(values))]
    abn = REFERENCE.name
    other = abn if abn in names and sharpest != abn else names[values.index(max(values))]
    apart = (entropies[other] - entropies[sharpest]).dropna()
    words = f"Videos whose maps of {other} and {sharpest}, the sharpest row, differ most in entropy."
    return "Most bits apart", words, _ranked(apart)


def _least_overlap(tables: _Tables) -> _Ranked | None:
    for kind, target in (("iou_truth", "the truth"), ("iou_fit", "the training masks")):
        overlaps = pd.DataFrame({row: leading(table, kind) for row, table in tables.items()})
        means = overlaps.mean().dropna()
        if len(means):
            best = list(means.index)[means.to_list().index(max(means))]
            words = f"Videos where the map of {best}, the row that overlaps best with {target}, does so least."
            return f"Least overlap with {target}", words, _ranked(-overlaps[best].dropna())
    return None


def _typical(tables: _Tables, labels: pd.Series) -> _Ranked:
    """Videos whose entropies are near the middle in all rows; a second one of a class only once all have one."""
    entropies = pd.DataFrame({row: leading(table, "entropy") for row, table in tables.items()})
    places = (entropies.rank() - 0.5) / entropies.count()  # in (0, 1)
    off = (places - 0.5).abs().mean(axis=1).fillna(1.0).round(9)
    right = pd.DataFrame({row: table["top1"] for row, table in tables.items()}).mean(axis=1)
    videos = pd.Series(_ranked(-(off + (right < 0.5))))  # a video that most rows get wrong is not typical
    turn = videos.groupby(labels[videos].to_numpy()).cumcount()
    words = "Videos with entropies near the middle in every row, of different classes."
    return "Typical", words, videos[turn.sort_values(kind="stable").index].to_list()


def _ranked(values: pd.Series) -> list[str]:
    """Videos by falling value, of equals the first by id; the index is sorted."""
    return values.sort_values(ascending=False, kind="stable").index.to_list()
