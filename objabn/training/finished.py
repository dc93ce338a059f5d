"""Keep a finished run in the side cache, under the key of its training.

A training on several machines runs outside DVC. DVC deletes a stage's outputs before it runs the stage, so what such a
training has written into the run's directory would be lost. The stage that DVC runs takes the run from here instead.
So does a run of several networks (`folds`) that was interrupted.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from objabn.model.run import CURVES, RUN, WEIGHTS
from objabn.system.cache import Cache
from objabn.system.files import replace_dir

KIND = "run"  # of a unit in the side cache
_FILES, _TIMING = (WEIGHTS, RUN, CURVES), "timing.json"


def keep_run(cache: Cache, key: str, directory: Path, timing: dict[str, Any]) -> None:
    """Write a finished run and the times of its training to the side cache.

    Args:
        key: `run_key`.
        directory: the run's.
    """
    unit = io.BytesIO()
    with zipfile.ZipFile(unit, "w") as archive:
        for name in _FILES:
            archive.writestr(name, (directory / name).read_bytes())
        archive.writestr(_TIMING, json.dumps(timing))
    cache.store(KIND, key, unit.getvalue())


def take_run(cache: Cache, key: str, directory: Path) -> dict[str, Any] | None:
    """Put the kept run of this key in its place, and return its times.

    Returns None if none is kept.

    Args:
        directory: the run's; what is there goes.

    Raises:
        ValueError: the unit is whole, but not a run.
    """
    unit = cache.load(KIND, key)
    if unit is None:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(unit)) as archive:
            files = {name: archive.read(name) for name in _FILES}
            timing: dict[str, Any] = json.loads(archive.read(_TIMING))
    except (zipfile.BadZipFile, LookupError, ValueError):
        path = cache.path(KIND, key)
        raise ValueError(f"{path}: expected a finished run, got something else; remove it") from None
    with replace_dir(directory) as partial:
        for name, content in files.items():
            (partial / name).write_bytes(content)
    return timing


def drop_run(cache: Cache, key: str) -> None:
    """Remove the kept run of this key, if there is one."""
    cache.path(KIND, key).unlink(missing_ok=True)
