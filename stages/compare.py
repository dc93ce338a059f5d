"""The comparison table of all rows, as Markdown, CSV and PNG. `python -m stages.compare DATASET`"""

import itertools
import json

from objabn.report import comparison, draw_table, to_markdown
from stages import Paths, run_stage
from stages.arguments import parse


def main() -> None:
    arguments, params, _ = parse(__doc__)
    paths = Paths(arguments.dataset)
    results: dict[tuple[str, bool], dict[str, float]] = {
        (attention, pc): json.loads(paths.result(attention, pc).read_text())
        for attention, pc in itertools.product(params.table.attention, params.table.pc)
    }
    segment = json.loads(paths.segment_report.read_text())
    table = comparison(results)
    paths.table("csv").parent.mkdir(exist_ok=True)
    table.to_csv(paths.table("csv"), index=False, lineterminator="\n")
    paths.table("md").write_text(to_markdown(table, arguments.dataset, segment, params.table.seeds))
    draw_table(table, arguments.dataset, paths.table("png"))
    print(paths.table("md").read_text())


if __name__ == "__main__":
    run_stage(main)
