"""Metrics of the configuration under study (`loss` in params.yaml): a pointer to its row. `python -m stages.study`"""

from pathlib import Path

from objabn.files import write_text
from objabn.parameter_file import load_params
from stages import Paths, row_path, run_stage


def main() -> None:
    params = load_params()
    result = Paths(params.dataset).result(row_path(params.loss.attention, params.loss.pc))
    write_text(Path("metrics.json"), result.read_text())


if __name__ == "__main__":
    run_stage(main)
