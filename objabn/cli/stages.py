"""Name the pipeline's stages as DVC does, for the parameters in params.yaml."""

from typing import NamedTuple

from objabn.config.schema import Params
from objabn.report.names import Row


class Stage(NamedTuple):
    """A stage of the pipeline: DVC's name, and what stands before its lines."""

    name: str
    label: str


def trainings(params: Params) -> list[Stage]:
    """List the trainings of the table in its order, seed by seed."""
    return [
        Stage(f"train{stage}-{seed}", f"{label}, seed {seed}")
        for seed in params.table.seeds
        for stage, label in _rows(params)
    ]


def evaluations(params: Params) -> list[Stage]:
    """List the evaluations of the table in its order."""
    return [Stage(f"evaluate{stage}", label) for stage, label in _rows(params)]


def audits(params: Params) -> list[Stage]:
    """List the audits of the table in its order: of all rows without PC, and of controls."""
    dataset, table = params.dataset, params.table
    rows = [("audit", name) for name in table.attention] + [("audit-control", name) for name in table.controls]
    return [Stage(f"{kind}@{dataset}-{name}-{of}", f"{name}, audit") for of in table.audits for kind, name in rows]


def trainings_of(measuring: Stage, params: Params) -> set[str]:
    """Name the trainings that an evaluation or audit measures."""
    kind, _, row = measuring.name.partition("@")
    control = "-control" * kind.endswith("-control")
    if kind.startswith("audit"):  # what is audited ends its name; of a loss configuration it is the row without PC
        row = row.rpartition("-")[0] + ("" if control else "-False")
    return {f"train{control}@{row}-{seed}" for seed in params.table.seeds}


def all_stages(params: Params) -> dict[str, list[str]]:
    """Name all stages in the order of the pipeline, by their kind; a control's kind is that of the other rows."""
    dataset, table = params.dataset, params.table
    return {
        "synthesize": ["synthesize"],
        "decode": [f"decode@{dataset}"],
        "segment": [f"segment@{dataset}"],
        "networks": [f"networks@{dataset}"],
        "train": [stage.name for stage in trainings(params)],
        "evaluate": [stage.name for stage in evaluations(params)],
        "study": ["study"],
        "compare": [f"compare@{dataset}"],
        "audit": [stage.name for stage in audits(params)],
        "audits": [f"audits@{dataset}-{of}" for of in table.audits],
    }


def _rows(params: Params) -> list[tuple[str, str]]:
    """List the rows: the part of a stage's name that is the row's, and the row's name in sentences."""
    dataset, table = params.dataset, params.table
    losses = [(f"@{dataset}-{name}-{pc}", Row(name, pc).name) for name in table.attention for pc in table.pc]
    return losses + [(f"-control@{dataset}-{name}", name) for name in table.controls]
