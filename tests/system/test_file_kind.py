"""What a file is that is not what its name says: in a line, with what to do; of a video never anything."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from objabn.system.file_kind import kind_of
from objabn.video.probe import VideoError
from objabn.video.read import probed
from objabn.video.write import write_video
from tests.helpers.videos import encode, moving_bar


def zipped() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("a.mp4", bytes(99))
    return content.getvalue()


def tarred() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as file:
        file.addfile(tarfile.TarInfo("a.mp4"))
    return content.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
NOISE = np.random.default_rng(0).bytes(5000)
KINDS: dict[str, tuple[str, bytes | Callable[[], bytes], str]] = {
    "lfs": ("a.mp4", POINTER, "a Git LFS pointer; run `git lfs pull`"),
    "annex": ("a.mp4", b"/annex/objects/SHA256E-s1--a.mp4\n", "a git-annex pointer; run `git annex get`"),
    "dvc": ("a.mp4", b"outs:\n- md5: 0123\n  path: a.mp4\n", "a DVC pointer; run `dvc pull`"),
    "html": ("a.mp4", b"\n<!DOCTYPE html>\n<html><body>Log in</body></html>", "a web page (HTML), perhaps a log-in or"),
    "html, bare": ("a.mp4", b"<HTML><TITLE>404</TITLE>", "a web page (HTML)"),
    "xml": ("a.mp4", b"<?xml version='1.0'?><Error>AccessDenied</Error>", "an XML text"),
    "json": ("a.avi", b'{"error": "quota"}', "a JSON text"),
    "text": ("a.avi", b"404: Not Found", 'a text file, "404: Not Found"'),
    "long": ("a.avi", "Größe ".encode() * 2000, 'a text file, "Größe Größe Größe Größe Größe Größe Größ..."'),
    "utf-16": ("a.avi", "not a video\nat all".encode("utf-16"), 'a text file, "not a video"'),
    "zip": ("a.mp4", zipped, "a zip archive; unpack it"),
    "tar": ("a.mp4", tarred, "a tar archive; unpack it"),
    "gzip": ("a.mp4", lambda: gzip.compress(bytes(99)), "a gzip file; unpack it"),
    "pdf": ("a.mp4", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
    "macos": ("._a.mp4", b"\0\x05\x16\x07\0\x02\0\0Mac OS X        ", "a side file of macOS (AppleDouble); delete it"),
    "encrypted": ("a.mp4", b"Salted__" + NOISE, "an encrypted file (openssl); decrypt it"),
    "zeros": ("a.mp4", bytes(9999), "nothing but zeros where it begins; download or copy it again"),
    "part": ("a.mp4.part", NOISE, "an unfinished download; finish it"),
    "no moov": ("a.mp4", b"\0\0\0\x10ftypisom\0\0\0\0\0\0\x13\x90mdat" + NOISE, "an mp4 or mov without its index"),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_what_a_file_is(tmp_path: Path, name: str) -> None:
    file_name, content, kind = KINDS[name]
    (tmp_path / file_name).write_bytes(content if isinstance(content, bytes) else content())
    found = kind_of(tmp_path / file_name)
    assert found is not None
    assert found.startswith(kind)
    with pytest.raises(VideoError) as error:
        probed(tmp_path / file_name)
    assert str(error.value) == f"not a video: {found}"
    assert len(found.splitlines()) == 1


def test_of_a_video_and_of_noise_nothing_is_said(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving_bar(3))
    encode(tmp_path / "a.webm", moving_bar(3), codec="libvpx-vp9")
    encode(tmp_path / "a.avi", moving_bar(3), codec="mpeg4")
    encode(tmp_path / "a.ts", moving_bar(3), codec="mpeg2video")
    (tmp_path / "noise.mp4").write_bytes(NOISE)
    (tmp_path / "empty.mp4").touch()
    found = {path.name: kind_of(path) for path in tmp_path.iterdir()}
    assert found == dict.fromkeys(["a.mp4", "a.webm", "a.avi", "a.ts", "noise.mp4", "empty.mp4"])
