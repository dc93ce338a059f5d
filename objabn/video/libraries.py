"""Imports cv2, PyAV and decord late, silenced, and in the only order that works; nobody else imports them."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

LIBRARIES = ("cv2", "av")  # that every decoding process needs, in the order of import


_with_torch = True


def only_decode() -> None:
    """For a process of many: it will never need torch, whose import takes longer than all others, and has one core."""
    global _with_torch
    _with_torch = False
    libraries().cv2.setNumThreads(1)


@cache
def libraries() -> SimpleNamespace:
    """cv2, av and decord (None where it is not installed: it has no wheel for macOS and ARM), silenced. Imported late
    because they take seconds, and in the only order that works: decord before cv2 breaks cv2's PNG reading, and torch
    goes before all of them."""
    if _with_torch:
        import torch  # noqa: F401
    import cv2  # isort: skip
    import av  # isort: skip

    av.logging.set_level(None)
    try:
        import decord  # isort: skip
    except (ImportError, OSError):
        return SimpleNamespace(cv2=cv2, av=av, decord=None)
    decord.logging.set_level(decord.logging.QUIET)
    return SimpleNamespace(cv2=cv2, av=av, decord=decord)
