"""The comparison of all rows: tables as Markdown, CSV and PNG, and the report. `python -m stages.compare DATASET`"""

import json
from pathlib import Path

from stages.arguments import parse
from stages.paths import Paths, row_path, run_stage


def main() -> None:
    arguments, params, dataset = parse(__doc__)
    paths = Paths(arguments.dataset)
    from objabn.evaluation.kept_maps import read_maps
    from objabn.evaluation.results import read_results
    from objabn.report.answers import answers
    from objabn.report.intervals import differences
    from objabn.report.names import Row
    from objabn.report.page.gallery import Stores, make_gallery
    from objabn.report.page.page import COLUMNS, Masks, Trained, render
    from objabn.report.page.plots import all_plots
    from objabn.report.published import beside_published
    from objabn.report.strips import draw_maps, kept_pictures
    from objabn.report.table_picture import draw_table
    from objabn.report.tables import comparison, to_markdown
    from objabn.segmentation.quality import read_mask_quality
    from objabn.stores.array import StoreReader
    from objabn.stores.frames import open_frames
    from objabn.stores.table import read_table
    from objabn.system.files import write_text

    rows = [Row(name, False) for name in params.table.controls]
    rows += [Row(attention, pc) for attention in params.table.attention for pc in params.table.pc]
    files = {row: paths.result(row_path(*row)) for row in rows}
    results = {row: json.loads(files[row].read_text()) for row in rows}
    kept = {row: read_maps(files[row].with_suffix(".npz")) for row in rows}
    trainings = {row: json.loads(files[row].with_suffix(".training.json").read_text()) for row in rows}
    per_video = {row: read_results(files[row].with_suffix(".parquet"), COLUMNS) for row in rows}
    for row, found in differences(per_video).items():
        num_videos = per_video[row]["video"].nunique()
        results[row] |= found | beside_published(dataset.published, row, results[row], num_videos)
    segment = json.loads(paths.segment_report.read_text())
    table = comparison(results)
    backbone = dataset.model.pretrained or "from scratch"
    seeds = params.table.seeds
    words = answers(per_video, len(seeds), dataset.published)
    markdown = to_markdown(table, arguments.dataset, segment, seeds, backbone, dataset.published, words)
    write_text(paths.table("csv"), table.to_csv(index=False, lineterminator="\n"))
    write_text(paths.table("md"), markdown)
    draw_table(table, arguments.dataset, paths.table("png"))

    frames = open_frames(paths.data("frames"), Path(dataset.videos), dataset.decode)
    truth = StoreReader(Path(dataset.truth)) if dataset.truth else None
    for row in rows:
        seed = per_video[row][per_video[row]["seed"] == seeds[0]]
        draw_maps(kept_pictures(kept[row], seed, frames, dataset.data.crop), paths.picture(row_path(*row)))
    stores = Stores(frames, StoreReader(paths.data("masks")), truth)
    gallery, left_out = make_gallery(per_video, kept, seeds[0], stores, dataset)
    curves = {row: training["curves"] for row, training in trainings.items()}
    plots = all_plots(per_video, results, curves, dataset.published)
    masks = Masks(segment, read_mask_quality(paths.segment_report.with_suffix(".csv")), paths.mask_picture)
    trained = Trained(seeds, trainings[rows[0]]["versions"], left_out)
    videos = read_table(paths.data("frames"))
    page = render(arguments.dataset, dataset, table, words, per_video, plots, gallery, masks, videos, trained)
    write_text(paths.mask_picture.with_name("index.html"), page)
    print(markdown)


if __name__ == "__main__":
    run_stage(main)
