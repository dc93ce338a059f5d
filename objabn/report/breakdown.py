"""Where the maps are good and where they are not: by class, by the object's size, and video by video.

All of it is of the map that a row is compared by, over all seeds.
"""

from collections.abc import Mapping

import pandas as pd

from objabn.report.comparison import Comparison
from objabn.report.main_table import row_cells
from objabn.report.names import MAP_NAMES, Row, compared_map

SIZES = ("small", "medium", "large")  # thirds of the videos, by the share of the frame that the object covers
SIZES_TITLE, CLASSES_TITLE = "Maps by the object's size", "The classes with the worst maps"
_WORST_CLASSES, _WORST_VIDEOS = 3, 10
_AREAS = {"truth_area": "the truth", "object_area": "the segmenter's mask"}
_LEAST = 3 * 2  # videos, that thirds of them say anything
_HEADINGS = {"pointing": ("pointing %", 1, 100), "iou_truth": ("IoU truth", 3, 1), "iou_fit": ("IoU fit", 3, 1),
             "entropy_object": ("entropy", 2, 1)}  # fmt: skip


def overlap(comparison: Comparison) -> str | None:
    """Name the measure of where maps lie: IoU with the truth, else with the training masks; None without either."""
    for measure in ("iou_truth", "iou_fit"):
        if any(_known(table, measure) for table in comparison.per_video.values()):
            return measure
    return None


def _known(table: pd.DataFrame, measure: str) -> bool:
    letter = compared_map(table.columns, measure)
    return letter is not None and bool(table[f"{measure}_{letter}"].notna().any())


def measured(comparison: Comparison) -> dict[Row, pd.DataFrame]:
    """Take what is measured of each row's map: the mean over seeds, a line a video.

    Columns: label, size (of SIZES, none where no frame has an object), and those of pointing, the overlap and
    entropy_object that the row has.
    """
    kind, sizes = overlap(comparison), object_sizes(comparison)
    found = {}
    for row, table in comparison.per_video.items():
        columns = {}
        for measure in ("pointing", *([kind] if kind else []), "entropy_object"):
            if _known(table, measure):
                columns[measure] = table[f"{measure}_{compared_map(table.columns, measure)}"].astype(float)
        if not columns or "label" not in table:
            continue
        of_videos = pd.DataFrame(columns).groupby(table["video"]).mean()
        labels = table.drop_duplicates("video").set_index("video")["label"]
        of_videos.insert(0, "label", labels.reindex(of_videos.index).astype(str))
        of_videos.insert(1, "size", sizes.reindex(of_videos.index) if len(sizes) else None)
        found[row] = of_videos
    return found


def object_sizes(comparison: Comparison) -> pd.Series:
    """Sort the videos into thirds by their object's mean area, of equals by id; index video, values of SIZES.

    The area is that of the truth where all videos have one, else of the segmenter's masks, as the first row has it that
    knows areas, a loss configuration if there is one: a control may have another grid or crop. Empty where no row knows
    areas, or of fewer than six videos.
    """
    _, areas = _areas(comparison)
    if len(areas) < _LEAST:
        return pd.Series(dtype=object)
    thirds = (areas.rank(method="first") - 1) * len(SIZES) // len(areas)
    return thirds.astype(int).map(dict(enumerate(SIZES)))


def _areas(comparison: Comparison) -> tuple[str, pd.Series]:
    """The kind of the objects' areas and each video's mean, by id; none where no row knows areas."""
    for row in comparison.losses_first:
        table = comparison.per_video[row]
        if area := _area(table):
            return area, table.groupby("video")[area].mean().dropna().sort_index()
    return "", pd.Series(dtype=float)


def _area(table: pd.DataFrame) -> str | None:
    """Name the column of the objects' sizes: of one kind for all videos."""
    if "truth_area" in table and table["truth_area"].notna().all():
        return "truth_area"
    return "object_area" if "object_area" in table else None


def grouped(comparison: Comparison) -> pd.DataFrame:
    """List the means of groups of videos, a line a row, group and measure.

    Columns: attention, pc, map, by (class or size), group, videos (that have the measure), measure, mean.
    """
    lines = []
    for row, table in measured(comparison).items():
        measures = [name for name in table if name in _HEADINGS]
        names = {name: compared_map(comparison.per_video[row].columns, str(name)) for name in measures}
        for by, column in (("class", "label"), ("size", "size")):
            for group, videos in table.groupby(column, sort=by == "class"):
                for measure in measures:
                    values = videos[measure].dropna()
                    if len(values):
                        mean = round(float(values.mean()), 6)
                        lines.append((*row, names[measure], by, str(group), len(values), str(measure), mean))
    columns = ["attention", "pc", "map", "by", "group", "videos", "measure", "mean"]
    found = pd.DataFrame(lines, columns=columns)
    order = {size: at for at, size in enumerate(SIZES)}
    of_sizes = found["by"] == "size"
    sizes = found[of_sizes].sort_values("group", key=lambda names: names.map(order), kind="stable")
    return pd.concat([found[~of_sizes], sizes], ignore_index=True)


def size_cells(comparison: Comparison) -> pd.DataFrame:
    """Write pointing, overlap and entropy of small, medium and large objects, a line a row, under its number."""
    tables = measured(comparison)
    cells = row_cells(comparison)
    for measure, (heading, decimals, scale) in _HEADINGS.items():
        for size in SIZES:
            texts = []
            for row in comparison.rows:
                table = tables.get(row, pd.DataFrame())
                values = table.loc[table["size"] == size, measure] if measure in table else pd.Series(dtype=float)
                mean = scale * values.mean()
                texts.append("" if pd.isna(mean) else f"{mean:.{decimals}f}")
            if any(texts):
                cells[f"{heading}, {size}"] = texts
    shown = cells.drop(columns=["attention", "PC"])
    return cells[(shown != "").any(axis=1)] if len(shown.columns) else cells.iloc[:0]


def size_notes(comparison: Comparison) -> list[str]:
    """Say what small and large are here."""
    sizes, (area, areas) = object_sizes(comparison), _areas(comparison)
    if sizes.empty:
        return []
    most = areas.groupby(sizes).max()
    counts = ", ".join(str(int((sizes == size).sum())) for size in SIZES)
    return [
        f"Thirds of the test videos ({counts}) by the share of the map's cells that {_AREAS[area]} covers: "
        f"small up to {100 * most['small']:.1f} %, medium up to {100 * most['medium']:.1f} %, large up to "
        f"{100 * most['large']:.1f} %. Of the map that a row is compared by, means over all seeds."
    ]


def class_means(comparison: Comparison) -> tuple[str | None, pd.DataFrame]:
    """Take the mean overlap of each class (index) and row (columns, by name), and which measure of overlap it is."""
    kind = overlap(comparison)
    if kind is None:
        return None, pd.DataFrame()
    tables = measured(comparison)
    return kind, pd.DataFrame({row.name: of.groupby("label")[kind].mean() for row, of in tables.items() if kind in of})


def worst_class_cells(comparison: Comparison) -> pd.DataFrame:
    """Write the classes with the lowest overlap and the one with the highest, a line a row, under its number."""
    kind, means = class_means(comparison)
    cells = row_cells(comparison)
    if kind is None or len(means) < _WORST_CLASSES + 1:  # of fewer classes it would be nearly all
        return cells.iloc[:0]
    texts: Mapping[str, list[str]] = {"worst": [], "best": []}
    for row in comparison.rows:
        of_row = means[row.name].dropna().sort_values(kind="stable") if row.name in means else pd.Series(dtype=float)
        texts["worst"].append("; ".join(f"{name} {value:.3f}" for name, value in of_row.iloc[:_WORST_CLASSES].items()))
        texts["best"].append(", ".join(f"{name} {value:.3f}" for name, value in of_row.iloc[-1:].items()))
    letters = [compared_map(comparison.per_video[row].columns, kind) for row in comparison.rows]
    cells["map"] = [MAP_NAMES[letter] if letter else "" for letter in letters]
    cells[f"lowest {_HEADINGS[kind][0]}"] = texts["worst"]
    cells["highest"] = texts["best"]
    return cells[(cells["highest"] != "").to_numpy()]


def worst_videos(comparison: Comparison) -> pd.DataFrame:
    """List the videos whose maps overlap least on average over the rows, as texts: video, class, size, each row."""
    kind = overlap(comparison)
    if kind is None:
        return pd.DataFrame()
    tables = {row: of for row, of in measured(comparison).items() if kind in of}
    values = pd.DataFrame({row.name: of[kind] for row, of in tables.items()}).sort_index()
    first = next(iter(tables.values()))
    order = values.mean(axis=1).dropna().sort_values(kind="stable").index[:_WORST_VIDEOS]
    cells = {"video": list(order), "class": first["label"].reindex(order).fillna("").to_list()}
    if first["size"].notna().any():
        cells["size"] = first["size"].reindex(order).fillna("").to_list()
    rows = {str(name): [_text(each) for each in of.reindex(order)] for name, of in values.items()}
    return pd.DataFrame({**cells, **rows}).astype(str)


def _text(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}"
