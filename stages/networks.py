"""Notes what the networks of a data set's rows are made of. `python -m stages.networks DATASET`

A pointer: of an X3D its note never changes, so that an edit of an adapter makes the rows of other networks stale alone.
"""

import json

from objabn.config.rows import Control
from objabn.config.schema import Dataset, Params
from objabn.networks.digests import ingredients
from objabn.system.files import replace_dir
from stages.arguments import parse
from stages.entry import run_stage
from stages.paths import Paths


def main() -> None:
    arguments, params, dataset = parse(__doc__)
    notes = {"rows": ingredients(dataset.model.backbone, [dataset.model.pretrained])}
    notes |= {f"controls/{name}": _of_control(params, dataset, name) for name in params.table.controls}
    with replace_dir(Paths(arguments.dataset).data("networks")) as folder:
        (folder / "controls").mkdir()
        for name, note in notes.items():
            (folder / f"{name}.json").write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")


def _of_control(params: Params, dataset: Dataset, name: str) -> dict[str, object]:
    """What a control's network is made of: one that is not trained here, or the backbone of one that is."""
    control = params.controls[name]
    if not isinstance(control, Control):
        return ingredients(control.network, [control.weights, control.labels])
    backbone, pretrained = (
        control.set.get(f"model.{key}", getattr(dataset.model, key)) for key in ("backbone", "pretrained")
    )
    return ingredients(backbone, [pretrained])


if __name__ == "__main__":
    run_stage(main)
