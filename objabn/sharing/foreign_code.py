"""Tell before a run is read that it runs code: one that somebody sent may name any file."""

import json
from contextlib import suppress
from pathlib import Path

from objabn.config.schema import X3D
from objabn.index.names import printable
from objabn.model.run import RUN


def code_line(directory: Path) -> str:
    """Write the line for a run from elsewhere whose backbone is code; else "".

    A run in this checkout's `runs/` is not from elsewhere.

    Args:
        directory: of the network, relative to the working directory or absolute.
    """
    if directory.resolve().is_relative_to(Path("runs").resolve()):
        return ""
    with suppress(OSError, ValueError, KeyError, TypeError):  # `load` says what is wrong
        spec = json.loads((directory / RUN).read_text(encoding="utf-8"))["params"]["model"].get("backbone", X3D)
        if spec != X3D and spec.partition(":")[0] not in ("torchvision", "hf"):
            return f"code of {printable(spec)} runs now: {printable(str(directory / RUN))} names it as the backbone"
    return ""
