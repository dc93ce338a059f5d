"""Names of files and classes: which of them an index holds, and how they are shown."""

from __future__ import annotations

import re
import unicodedata

_BYTES = re.compile("[\udc80-\udcff]")  # what stands for a byte of a file's name that is not UTF-8
_CONTROL = re.compile("[\x00-\x1f\x7f]")
# Joiners shape the letters of some scripts and many emojis; beside ASCII they do nothing that one could see.
_LOST_JOINERS = re.compile("(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])")
_JOINERS = "\u200c\u200d"


def printable(name: str) -> str:
    r"""Write a name with escapes for what cannot be shown: control characters, bytes that are not UTF-8.

    >>> print(printable("Icon\r"), printable("b\udce4r"), printable("bär"))
    Icon\r b\xe4r bär
    """
    if name.isprintable():
        return name
    return "".join(each if each.isprintable() else _escape(each) for each in name)


def is_utf8(name: str) -> bool:
    """Whether a name can be written as UTF-8; bytes of a file's name that cannot are kept as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def fault_of_path(path: str) -> str | None:
    """Say why an index cannot hold a path; None for a path that it can.

    A line of index.csv is a video, whatever reads it, and its paths are the same on every system.
    """
    if not is_utf8(path):
        return "its name is not UTF-8"
    if _CONTROL.search(path):
        return "its name has a control character"
    if "\\" in path:
        return "its name has a backslash"
    return None


def clean_label(label: str) -> str:
    r"""Write a label as it reads: Unicode NFC, single spaces, no characters that cannot be seen.

    >>> clean_label(" Clap\u00a0\u200bhands\n"), clean_label("Cafe\u0301") == "Caf\u00e9"
    ('Clap hands', True)
    """
    if label.isascii() and label.isprintable():
        return " ".join(label.split())
    seen = "".join(each for each in " ".join(label.split()) if each in _JOINERS or not _is_unseen(each))
    label = " ".join(unicodedata.normalize("NFC", _LOST_JOINERS.sub("", seen)).split())
    return label if is_utf8(label) else printable(label)


def _is_unseen(character: str) -> bool:
    """Whether it is a control or a format character, such as a space of no width."""
    return unicodedata.category(character) in ("Cc", "Cf")


def _escape(character: str) -> str:
    if _BYTES.match(character):
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
