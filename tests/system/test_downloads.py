"""Files that came in place of a checkpoint, by their first and last bytes."""

import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from objabn.system.downloads import not_whole


def saved(**settings: object) -> bytes:
    buffer = io.BytesIO()
    torch.save({"w": torch.arange(3.0)}, buffer, **settings)
    return buffer.getvalue()


ZIP, LEGACY, PICKLE = saved(), saved(_use_new_zipfile_serialization=False), pickle.dumps({"model": [1.0] * 50})
CUT = "bytes of a file, as a download leaves it that was cut short"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("w.pth", b"", "an empty file"),
        (
            "w.pth",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
            "a Git LFS pointer; run `git lfs pull`",
        ),
        ("w.pth", b"\xef\xbb\xbf\n<!DOCTYPE html><html>", "a web page (HTML)"),
        ("w.pth", b"<HTML><head>", "a web page (HTML)"),
        ("w.pth", b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "an XML text"),
        ("w.pyth", ZIP[: len(ZIP) // 2], f"the first {len(ZIP) // 2:,} {CUT}"),
        ("w.pkl", PICKLE[:100], f"the first 100 {CUT}"),
    ],
    ids=range(7),  # contents differ from one process to the next
)
def test_what_is_no_whole_file_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    found = not_whole(tmp_path / name)
    assert found is not None
    assert found.startswith(said)


@pytest.mark.parametrize(
    ("name", "content"),
    [("w.pth", ZIP), ("w.pth", LEGACY), ("w.pkl", PICKLE), ("w.pkl", LEGACY), ("w.pth", b"anything else")],
    ids=range(5),
)
def test_what_may_be_whole_passes(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert not_whole(tmp_path / name) is None
    assert zipfile.is_zipfile(tmp_path / name) == (content is ZIP)
