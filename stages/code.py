"""The code of a stage, as dvc.yaml names it: what an interrupted run left counts under the same code only."""

from pathlib import Path

import yaml

from objabn.system.files import code_digest

_ROOT = Path(__file__).parents[1]


def code_of(stage: str) -> str:
    """Digest the files and folders of code that dvc.yaml names for a stage."""
    deps = yaml.safe_load((_ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]["deps"]
    return code_digest(_ROOT, [dep for dep in deps if dep.startswith(("objabn/", "stages/"))])
