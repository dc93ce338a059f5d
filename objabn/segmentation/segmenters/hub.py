"""Checkpoints of the Hugging Face Hub: a folder of files, or a name that becomes such a folder, once.

    folder = folder_of("facebook/mask2former-swin-tiny-coco-instance", None)    # downloads what is not there
    content_of(folder, FILES)                                                  # digests: what masks depend on

A folder is what `save_pretrained` writes and `hf download NAME --local-dir FOLDER` brings. Nothing here imports torch.
"""

import importlib.metadata
import importlib.util
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from objabn.system.checkouts import why_absent
from objabn.system.files import file_digest

WEIGHTS, CONFIG = "model.safetensors", "config.json"
PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")  # one of them, by the library's version
_WANTED = ("*.json", "*.txt", WEIGHTS)  # of a repository; others hold the same weights in other formats
GATED = "accept the licence on https://huggingface.co/facebook/sam3 and run `hf auth login`"  # of SAM 3
TOKENIZER = "tokenizer.json"  # of SAM 3
INSTALL = "`pip install -r requirements-transformers.txt`"


def check_library() -> None:
    """Raise ValueError, which says what to install, where the library is not there."""
    if importlib.util.find_spec("transformers") is None:
        raise ValueError(f"segment.backend: expected transformers to be installed, found no such library; {INSTALL}")


def library_version() -> str | None:
    """Return the library's version, major and minor: it may compute other masks with another; None where it is not."""
    try:
        return ".".join(importlib.metadata.version("transformers").split(".")[:2])
    except importlib.metadata.PackageNotFoundError:
        return None


def folder_of(weights: str, revision: str | None, *, gated: str = "") -> Path:
    """Find the folder of a checkpoint; one that has a name and is not here is downloaded, once.

    Args:
        weights: a folder, or a name on the Hub. A folder of that name comes first.
        revision: of a name: branch, tag or commit; None is what was downloaded before, else the newest.
        gated: what a person has to do before the weights can be downloaded; "" where anybody can.

    Raises:
        ValueError: a folder that is not whole, or a name that cannot be downloaded; the line says what to fetch and
            where to put it.
    """
    if (folder := local_folder(weights, revision)) is not None:
        try:
            return check_folder(folder)
        except ValueError:
            if os.path.isdir(weights):  # else a download that was cut short, or of some of the files
                raise
    if not is_name(weights):
        raise ValueError(f"segment.weights: {no_folder(weights)}")
    check_library()
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(weights, revision=revision, allow_patterns=list(_WANTED)))
    except Exception as error:  # no network, no such name, not allowed: a dozen types
        got = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"{cannot_have(weights, revision, gated=gated)}, got {got}") from error
    return check_folder(folder)


def is_name(weights: str) -> bool:
    """Tell whether weights may be a name on the Hub, <owner>/<model>, and no path."""
    return weights.count("/") == 1 and not weights.startswith((".", "/", "~")) and not weights.endswith("/")


def local_folder(weights: str, revision: str | None) -> Path | None:
    """Find the folder of a checkpoint without the network; None where it is not on this machine."""
    if os.path.isdir(weights):
        if revision is not None:
            expected = f"expected null, {weights} is a folder here and has no revisions"
            raise ValueError(f"segment.revision: {expected}, got {revision!r}")
        return Path(weights)
    if not is_name(weights) or importlib.util.find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(weights, WEIGHTS, revision=revision)
    folder = Path(found).parent if isinstance(found, str) else None
    return None if folder is None or _lacks_small_files(folder) else folder


def _lacks_small_files(folder: Path) -> bool:
    """Whether the cache has no more of a checkpoint than its weights, as other programs leave it."""
    if not (folder / CONFIG).is_file() or not any((folder / name).is_file() for name in PREPROCESSORS):
        return True
    return str(read_config(folder).get("model_type")).startswith("sam3") and not (folder / TOKENIZER).is_file()


def cannot_have(weights: str, revision: str | None, *, gated: str = "") -> str:
    """Say what to fetch, and where to put it, for a name that is not on this machine."""
    at = f" --revision {revision}" if revision else ""
    command = f"`hf download {weights}{at} --local-dir FOLDER`"
    first = f"{gated}, then " if gated else ""
    todo = f"{first}{command} on a machine with a network, copy FOLDER here and set segment.weights to its path"
    return f"segment.weights: expected a folder or the Hub's {weights} ({todo}){why_absent(weights, 'segment.weights')}"


def no_folder(weights: str) -> str:
    """Say what is wrong with weights that are neither a folder nor a name."""
    expected = "expected a folder with a checkpoint of the Hub, or a name, <owner>/<model>"
    got = "a file" if Path(weights).is_file() else f"no such folder{why_absent(weights, 'segment.weights')}"
    return f"{expected}, got {weights!r}: {got}"


def check_folder(folder: Path) -> Path:
    """Return a folder that has all files of a checkpoint, whole. Raises: ValueError."""
    wanted = f"expected {CONFIG}, {PREPROCESSORS[0]} and {WEIGHTS}"
    if not (folder / WEIGHTS).is_file():
        others = sorted(
            path.name for path in folder.glob("*") if path.suffix in (".bin", ".safetensors", ".pt", ".pth")
        )
        got = f"; it has {others[0]}: take a checkpoint with one {WEIGHTS}" if others else ""
        raise ValueError(f"{folder}: {wanted}, got no {WEIGHTS}{got}")
    if not (folder / CONFIG).is_file():
        raise ValueError(f"{folder}: {wanted}, got no {CONFIG}")
    if not any((folder / name).is_file() for name in PREPROCESSORS):
        raise ValueError(f"{folder}: {wanted}, got no {PREPROCESSORS[0]}")
    if damage := _not_whole(folder / WEIGHTS):
        raise ValueError(f"{folder / WEIGHTS}: expected a whole file of safetensors, got {damage}; fetch it again")
    return folder


def _not_whole(path: Path) -> str | None:
    """Say what is wrong with a file of safetensors, by its header: lengths and places of all tensors."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, 100_000_000):
            return "another file" if size >= 8 else f"a file of {size} bytes"
        try:
            header = json.loads(file.read(length))
            end = max(value["data_offsets"][1] for name, value in header.items() if name != "__metadata__")
        except (ValueError, TypeError, KeyError, AttributeError):
            return "another file"
    return f"{size:,} of {8 + length + end:,} bytes" if size != 8 + length + end else None


def read_config(folder: Path, name: str = CONFIG) -> dict[str, Any]:
    """Read one of a checkpoint's json files. Raises: ValueError when it is none."""
    try:
        content = json.loads((folder / name).read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder / name}: expected JSON, got {type(error).__name__}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{folder / name}: expected a JSON object, got a {type(content).__name__}")
    return content


def content_of(weights: str, revision: str | None, more: Sequence[str] = ()) -> dict[str, Any]:
    """Collect what masks depend on in a checkpoint: digests of its files; its name where it is not here yet.

    Args:
        more: files beside weights and configurations that count, such as a tokenizer's.
    """
    folder = local_folder(weights, revision)
    if folder is None:
        return {"name": weights, "revision": revision}
    names = (WEIGHTS, CONFIG, *PREPROCESSORS, *more)
    return {name: file_digest(folder / name) for name in names if (folder / name).is_file()}
