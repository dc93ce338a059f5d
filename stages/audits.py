"""The tables of all audited rows, as Markdown, CSV and PNG. `python -m stages.audits DATASET`"""

import json

from stages.arguments import parse
from stages.paths import Paths, row_path, run_stage


def main() -> None:
    arguments, params, _ = parse(__doc__)
    paths = Paths(arguments.dataset)
    names = [*params.table.controls, *params.table.attention]

    import pandas as pd

    from objabn.report.audit_picture import draw_audits
    from objabn.report.audit_tables import audit_table, to_markdown
    from objabn.system.files import write_text

    files = {name: paths.audit(row_path(name, False)) for name in names}
    table = audit_table({name: json.loads(file.read_text()) for name, file in files.items()})
    curves = {name: pd.read_csv(file.with_suffix(".csv")) for name, file in files.items()}
    markdown = to_markdown(table, arguments.dataset, params.table.seeds)
    write_text(paths.table("csv", "-audits"), table.to_csv(index=False, lineterminator="\n"))
    write_text(paths.table("md", "-audits"), markdown)
    draw_audits(table, curves, arguments.dataset, paths.table("png", "-audits"))
    print(markdown)


if __name__ == "__main__":
    run_stage(main)
