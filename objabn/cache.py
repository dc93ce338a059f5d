"""The side cache: finished units of expensive work (one file a video), outside DVC's outputs.

DVC deletes a stage's outputs before it runs; a unit here outlives that, a `kill -9` and a change of the data set.
The root is $OBJABN_CACHE, else `.cache/` in the working directory.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from objabn.files import write_bytes

_DIGEST_BYTES = 16


def digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def unit_key(**parts: Any) -> str:
    """Hex key of everything that determines a unit's content (JSON-serialisable values)."""
    return digest(json.dumps(parts, sort_keys=True).encode()).hex()


class Cache:
    """Byte units under (kind, key). A unit that is damaged on the disk counts as absent."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root if root is not None else Path(os.environ.get("OBJABN_CACHE") or ".cache")

    def path(self, kind: str, key: str) -> Path:
        return self.root / kind / key[:2] / key

    def load(self, kind: str, key: str) -> bytes | None:
        """The unit's bytes; None when it is absent or its digest does not fit."""
        try:
            content = self.path(kind, key).read_bytes()
        except FileNotFoundError:
            return None
        payload = content[_DIGEST_BYTES:]
        return payload if content[:_DIGEST_BYTES] == digest(payload) else None

    def store(self, kind: str, key: str, payload: bytes) -> None:
        """Keeps a finished unit; atomic, so that a reader sees all of it or nothing."""
        write_bytes(self.path(kind, key), digest(payload) + payload)
