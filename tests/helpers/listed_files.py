"""Files and official lists by hand, for the tests of the index."""

import json
from pathlib import Path
from typing import Any

from objabn.index.listing import Listing

REALDATA = Path(__file__).parents[3] / "shared" / "realdata"


def make_files(root: Path, *paths: str) -> Path:
    """Files whose content is their own path: nothing here decodes them."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


def make_splits(root: Path, train: str, test: str, classes: str = "1 Bend\r\n2 Jump\r\n") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in (("classInd", classes), ("trainlist01", train), ("testlist01", test)):
        (root / f"{name}.txt").write_bytes(text.encode())
    return root


def make_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def splits_of(listing: Listing) -> dict[str, str]:
    return dict(zip(listing.videos["video"], listing.videos["split"], strict=True))
