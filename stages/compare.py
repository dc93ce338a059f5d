"""The comparison table of all rows, as Markdown, CSV and PNG. `python -m stages.compare DATASET`"""

import itertools
import json

from stages import Paths, run_stage
from stages.arguments import parse


def main() -> None:
    arguments, params, _ = parse(__doc__)
    paths = Paths(arguments.dataset)

    from objabn.files import write_text
    from objabn.report import comparison, draw_table, to_markdown

    results: dict[tuple[str, bool], dict[str, float]] = {
        (attention, pc): json.loads(paths.result(attention, pc).read_text())
        for attention, pc in itertools.product(params.table.attention, params.table.pc)
    }
    segment = json.loads(paths.segment_report.read_text())
    table = comparison(results)
    markdown = to_markdown(table, arguments.dataset, segment, params.table.seeds)
    write_text(paths.table("csv"), table.to_csv(index=False, lineterminator="\n"))
    write_text(paths.table("md"), markdown)
    draw_table(table, arguments.dataset, paths.table("png"))
    print(markdown)


if __name__ == "__main__":
    run_stage(main)
