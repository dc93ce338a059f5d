"""What a file is that is not what its name says, by its first bytes, and what to do about it."""

from __future__ import annotations

import os
import struct
from pathlib import Path

_HEAD = 4096  # bytes looked at
AGAIN = "download or copy it again"
# Beginnings, and what has them.
_BEGINNINGS = (
    (b"version https://git-lfs", "a Git LFS pointer; run `git lfs pull`"),
    (b"/annex/objects/", "a git-annex pointer; run `git annex get`"),
    (b"outs:\n", "a DVC pointer; run `dvc pull`"),
    (b"PK\x03\x04", "a zip archive; unpack it"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "a gzip file; unpack it"),
    (b"BZh", "a bzip2 file; unpack it"),
    (b"\xfd7zXZ\0", "an xz file; unpack it"),
    (b"\x28\xb5\x2f\xfd", "a zstandard file; unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    (b"Rar!\x1a\x07", "a rar archive; unpack it"),
    (b"%PDF-", "a PDF document"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\0\x05\x16\x07", "a side file of macOS (AppleDouble); delete it"),
    (b"L\0\0\0\x01\x14\x02\0", "a Windows shortcut; take the file that it points to"),
    (b"[InternetShortcut]", "an internet shortcut; download what it points to"),
    (b"Salted__", "an encrypted file (openssl); decrypt it"),
    (b"age-encryption.org/", "an encrypted file (age); decrypt it"),
    (b"-----BEGIN PGP MESSAGE", "an encrypted file (PGP); decrypt it"),
)
_UNFINISHED = (
    ".part",
    ".partial",
    ".crdownload",
    ".download",
    ".opdownload",
    ".aria2",
    ".ytdl",
    ".!ut",
    ".!qb",
    ".tmp",
)


def kind_of(path: str | os.PathLike[str]) -> str | None:
    """Say what a file is that could not be read as what it should be, and what to do; None where that is not known.

    The answer goes behind a colon: "not a video: a zip archive; unpack it".

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    for beginning, kind in _BEGINNINGS:
        if head.startswith(beginning):
            return kind
    if head[257:262] == b"ustar":
        return "a tar archive; unpack it"
    if head and not any(head):
        return f"nothing but zeros where it begins; {AGAIN}"
    if text := _text(head):
        return text
    if Path(path).suffix.lower() in _UNFINISHED:
        return "an unfinished download; finish it"
    if head[4:8] in (b"ftyp", b"mdat", b"wide") and not _has_movie_header(path):
        return f"an mp4 or mov without its index (moov), so its recording or copy was not finished; {AGAIN}"
    return None


def _text(head: bytes) -> str | None:
    """What kind of text this is; None for none."""
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    text = head.decode(encoding, errors="ignore").strip()  # errors: of a sign that the last byte cuts
    signs = [sign for sign in text if not (sign.isprintable() or sign.isspace())]
    if not text or signs or len(head.decode(encoding, errors="replace")) - len(head.decode(encoding, "ignore")) > 3:
        return None
    start = text[:200].lower()
    if start.startswith(("<!doctype html", "<html", "<head")) or "<html" in start:
        return f"a web page (HTML), perhaps a log-in or an error; {AGAIN}"
    if start.startswith("<"):
        return "an XML text"
    if start.startswith(("{", "[{", '["')):
        return "a JSON text"
    line = text.splitlines()[0]
    return f'a text file, "{line[:40]}{"..." if len(line) > 40 else ""}"'


def _has_movie_header(path: str | os.PathLike[str]) -> bool:
    """Whether one of the boxes that an mp4 consists of is moov; a box is a size, a name and what it holds."""
    with open(path, "rb") as file:
        while len(head := file.read(8)) == 8:
            size, name = struct.unpack(">I4s", head)
            behind = 8
            if name == b"moov":
                return True
            if size == 1 and len(long := file.read(8)) == 8:  # a size of 64 bits follows
                size, behind = struct.unpack(">Q", long)[0], 16
            if size < behind:  # 0: up to the end
                return False
            file.seek(size - behind, os.SEEK_CUR)
    return False
