"""Files of weights that libraries download: where they keep them, what came instead of one, how to bring one."""

import os
import zipfile
from pathlib import Path
from urllib.parse import urlparse

from objabn.system.file_kind import kind_of

_ZIP = b"PK\x03\x04"  # how torch writes checkpoints
_PICKLE, _TORCH = b"\x80", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the second: torch's format before 1.6


def torch_path(url: str) -> Path:
    """Tell where torch keeps a download (and so do torchvision and pytorchvideo)."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = Path(os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))).expanduser()
    return home / "hub" / "checkpoints" / Path(urlparse(url).path).name


def iopath_path(url: str) -> Path:
    """Tell where detectron2 keeps a download (by iopath)."""
    home = Path(os.environ.get("FVCORE_CACHE", "~/.torch/iopath_cache")).expanduser()
    return home / urlparse(url).path.lstrip("/")


def bring(url: str, path: Path, key: str) -> str:
    """Say how to bring a file of weights that cannot be downloaded here.

    Args:
        path: where the library that would download it looks for it.
        key: of the parameter that may name another place.

    >>> bring("https://host/w.pth", Path("cache/w.pth"), "model.pretrained")
    'fetch https://host/w.pth elsewhere and put it at cache/w.pth, or set model.pretrained to its path'
    """
    return f"fetch {url} elsewhere and put it at {path}, or set {key} to its path"


def not_whole(path: Path) -> str | None:
    """Say what a file is that is no whole checkpoint, by its first and last bytes.

    Returns None for a file that may be one, whatever it holds.
    """
    size = path.stat().st_size
    if not size:
        return "an empty file"
    with path.open("rb") as file:
        head = file.read(512)
        file.seek(-1, 2)
        last = file.read(1)
    kind = None if head.startswith(_ZIP) else kind_of(path)
    if kind is not None and not kind.startswith("a text file"):  # what a short text is meant to be nobody knows
        return kind
    is_cut_zip = head.startswith(_ZIP) and not zipfile.is_zipfile(path)
    is_cut_pickle = path.suffix == ".pkl" and head.startswith(_PICKLE) and not head.startswith(_TORCH) and last != b"."
    if is_cut_zip or is_cut_pickle:
        return f"the first {size:,} bytes of a file, as a download leaves it that was cut short"
    return None
