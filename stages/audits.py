"""The tables of all audited rows, as Markdown, CSV and PNG. `python -m stages.audits DATASET`"""

from stages.arguments import parse
from stages.entry import run_stage
from stages.paths import Paths, row_path


def main() -> None:
    arguments, params, _ = parse(__doc__)
    paths = Paths(arguments.dataset)
    names = [*params.table.controls, *params.table.attention]

    import pandas as pd

    from objabn.config.rows import NETWORK, NetworkControl
    from objabn.evaluation.numbers import over_seeds, read_numbers
    from objabn.evaluation.training_notes import training_notes
    from objabn.index.groups import FOLDER, read_groups
    from objabn.report.audit_picture import draw_audits
    from objabn.report.audit_tables import losses, of_trainings, tidy, to_markdown
    from objabn.report.intervals import count_recordings
    from objabn.stores.table import read_table
    from objabn.system.files import write_text

    files = {name: paths.audit(row_path(name, False)) for name in names}
    adopted = [name for name in params.table.controls if isinstance(params.controls[name], NetworkControl)]
    runs = {name: {seed: paths.run(row_path(name, False), seed) for seed in params.table.seeds} for name in adopted}
    elsewhere = {name: training_notes(of_seeds)[NETWORK] for name, of_seeds in runs.items()}
    audits = of_trainings({name: over_seeds(read_numbers(file)) for name, file in files.items()}, elsewhere)
    curves = {name: pd.read_csv(file.with_suffix(".curves.csv")) for name, file in files.items()}
    recordings = read_groups(FOLDER, arguments.dataset, read_table(paths.data("frames")))
    per_video = {name: pd.read_parquet(file.with_suffix(".parquet")) for name, file in files.items()}
    lost = {name: losses(table, recordings) for name, table in per_video.items()}
    num_recordings = count_recordings(list(per_video[names[-1]]["video"].unique()), recordings)
    sanity = {name: pd.read_csv(file.with_suffix(".sanity.csv")) for name, file in files.items()}
    design = (params.table.seeds, num_recordings, recordings)
    markdown = to_markdown(audits, lost, per_video, sanity, arguments.dataset, *design, elsewhere)
    write_text(paths.table("csv", "-audits"), tidy(audits).to_csv(index=False, lineterminator="\n"))
    write_text(paths.table("md", "-audits"), markdown)
    draw_audits(audits, curves, arguments.dataset, paths.table("png", "-audits"))
    print(markdown)


if __name__ == "__main__":
    run_stage(main)
