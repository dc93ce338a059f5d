"""Compare all rows: tables as Markdown, CSV and PNG, pictures of the maps, and the report.

`python -m stages.compare DATASET`
"""

from pathlib import Path

from stages.arguments import parse
from stages.entry import run_stage
from stages.paths import Paths, row_path


def main() -> None:
    arguments, params, dataset = parse(__doc__)
    paths, seeds = Paths(arguments.dataset), params.table.seeds

    from objabn.config.selection import control_and_block
    from objabn.evaluation.training_notes import check_recordings
    from objabn.index.groups import FOLDER, read_groups
    from objabn.report.answers import answers
    from objabn.report.breakdown import grouped
    from objabn.report.comparison import read_comparison, read_kept_maps
    from objabn.report.kept_clips import kept_pictures
    from objabn.report.latex import to_latex
    from objabn.report.moving import draw_moving, milliseconds_between
    from objabn.report.names import Row
    from objabn.report.page.gallery import Stores, make_gallery
    from objabn.report.page.page import render
    from objabn.report.page.plots import all_plots
    from objabn.report.strips import draw_maps
    from objabn.report.table_picture import draw_table
    from objabn.report.tables import to_markdown
    from objabn.stores.array import StoreReader
    from objabn.stores.frames import open_frames
    from objabn.stores.table import read_table
    from objabn.stores.truth import open_truth
    from objabn.system.files import write_text

    rows = [Row(name, False) for name in params.table.controls]
    blocks = {row: control_and_block(params, dataset, row.attention)[1] for row in rows}
    rows += [Row(attention, pc) for attention in params.table.attention for pc in params.table.pc]
    results = {row: paths.result(row_path(*row)) for row in rows}
    videos = read_table(paths.data("frames"))
    recordings = read_groups(FOLDER, arguments.dataset, videos)
    kept = read_kept_maps(results)
    masks = (paths.segment_report, paths.mask_picture)
    comparison = read_comparison(arguments.dataset, dataset, seeds, results, *masks, videos, recordings, blocks, kept)
    notes = {row.name: found for row, found in comparison.trainings.items()}
    check_recordings(notes, FOLDER / f"{arguments.dataset}.csv")
    words = answers(comparison)
    markdown = to_markdown(comparison, words)
    write_text(paths.table("csv"), comparison.tidy().to_csv(index=False, lineterminator="\n"))
    write_text(paths.table("md"), markdown)
    write_text(paths.table("tex"), to_latex(comparison))
    draw_table(comparison, paths.table("png"))

    frames = open_frames(paths.data("frames"), Path(dataset.videos), dataset.decode)
    drawn = {}
    for row, table in comparison.per_video.items():
        first = table[table["seed"] == seeds[0]]
        drawn[row] = kept_pictures(kept[row], first, frames, dataset.data.crop)
        draw_maps(drawn[row], paths.picture(row_path(*row)), colours=params.table.colours)
    between = milliseconds_between(kept[next(reversed(drawn))], videos)
    draw_moving(drawn, paths.map_groups.with_name("moving.gif"), milliseconds=between, colours=params.table.colours)
    write_text(paths.map_groups, grouped(comparison).to_csv(index=False, lineterminator="\n"))
    truth = open_truth(dataset.truth, videos, dataset.decode.stride) if dataset.truth else None
    stores = Stores(frames, StoreReader(paths.data("masks")), truth)
    gallery, left_out = make_gallery(comparison.per_video, kept, seeds[0], stores, dataset, params.table.colours)
    page = render(comparison, words, all_plots(comparison), gallery, left_out)
    write_text(paths.mask_picture.with_name("index.html"), page)
    print(markdown)


if __name__ == "__main__":
    run_stage(main)
