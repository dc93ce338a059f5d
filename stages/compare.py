"""The comparison table of all rows, as Markdown, CSV and PNG. `python -m stages.compare DATASET`"""

import json

from stages import Paths, row_path, run_stage
from stages.arguments import parse


def main() -> None:
    arguments, params, dataset = parse(__doc__)
    paths = Paths(arguments.dataset)
    rows: list[tuple[str, bool]] = [(name, False) for name in params.table.controls]
    rows += [(attention, pc) for attention in params.table.attention for pc in params.table.pc]

    from objabn.files import write_text
    from objabn.intervals import COLUMNS, differences
    from objabn.published import beside_published
    from objabn.report import comparison, to_markdown
    from objabn.results import read_results
    from objabn.story import answers
    from objabn.table_picture import draw_table

    files = {row: paths.result(row_path(*row)) for row in rows}
    results = {row: json.loads(files[row].read_text()) for row in rows}
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
    print(markdown)


if __name__ == "__main__":
    run_stage(main)
