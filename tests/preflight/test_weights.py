"""Downloads: the libraries' own addresses and caches, hosts that answer or do not, and files that are not whole."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from objabn.preflight.weights import X3D_M, Download, ask, download_findings, file_fault
from objabn.segmentation.segmenters.zoo import DETECTRON2, TORCHVISION
from objabn.system.downloads import iopath_path, torch_path


class Handler(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(200 if self.path == "/there-ba7816bf.pth" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "*")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_addresses_are_the_libraries_own() -> None:
    from pytorchvideo.models.hub.x3d import checkpoint_paths

    from objabn.segmentation.segmenters.torchvision import WEIGHTS

    assert checkpoint_paths["x3d_m"] == X3D_M
    assert {name: weights.url for name, weights in WEIGHTS.items()} == TORCHVISION


@pytest.mark.detectron2
def test_the_address_of_detectron2s_weights_is_its_own() -> None:
    from detectron2 import model_zoo

    assert {model: model_zoo.get_checkpoint_url(model) for model in DETECTRON2} == DETECTRON2


@pytest.mark.parametrize("variables", [{}, {"XDG_CACHE_HOME": "xdg"}, {"TORCH_HOME": "torch", "FVCORE_CACHE": "core"}])
def test_caches_are_the_libraries_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict) -> None:
    import torch
    from iopath.common.file_io import get_cache_dir

    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CACHE_HOME", "TORCH_HOME", "FVCORE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, folder in variables.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    assert torch_path("https://host/a/w.pth") == Path(torch.hub.get_dir(), "checkpoints/w.pth")
    assert iopath_path("https://host/a/w.pkl") == Path(get_cache_dir(), "a/w.pkl")


def test_a_host_is_asked_and_not_downloaded_from(host: str, tmp_path: Path) -> None:
    names = ("there-ba7816bf.pth", "no")
    there, gone = (Download("train", "a.key", f"{host}/{name}", tmp_path / name) for name in names)
    found = download_findings([there, gone, there])
    assert [(each.level, each.line) for each in found] == [
        ("ok", f"a.key: not here, but {there.url} answers"),
        (
            "fault",
            f"a.key: expected weights on the disk or a download, got the answer 404 of {host[7:]}; "
            f"fetch {gone.url} elsewhere and put it at {gone.path}, or set a.key to its path",
        ),
    ]
    assert list(tmp_path.iterdir()) == []


def test_what_else_can_be_done_ends_the_line(host: str, tmp_path: Path) -> None:
    wanted = Download("segment", "a.key", f"{host}/no", tmp_path / "no", instead="do without")
    (found,) = download_findings([wanted])
    assert found.line.endswith(f"put it at {wanted.path}, or set a.key to its path; or do without")


def test_a_host_that_does_not_answer(host: str) -> None:
    """One refuses, one takes connections and says nothing."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        urls = [f"http://127.0.0.1:{one.getsockname()[1]}/w" for one in (silent, unused)]
        reasons = ask([*urls, f"{host}/there-ba7816bf.pth"], seconds=0.3)
    assert set(reasons) == set(urls)
    assert reasons[urls[0]].startswith(("no answer of 127.0.0.1:", "no connection to 127.0.0.1:"))
    assert reasons[urls[1]] == f"no connection to {urls[1].split('/')[2]} ([Errno 111] Connection refused)"


@pytest.mark.parametrize(
    ("content", "got"),
    [(b"abc", ""), (b"abd", "another content (SHA-256 a52d159f...)"), (b"", "an empty file")],
)
def test_a_cached_file_has_the_content_that_its_name_says(tmp_path: Path, content: bytes, got: str) -> None:
    assert hashlib.sha256(b"abc").hexdigest().startswith("ba7816bf")
    wanted = Download("train", "a.key", "https://host/there-ba7816bf.pth", tmp_path / "there-ba7816bf.pth")
    wanted.path.write_bytes(content)
    (found,) = download_findings([wanted])  # nobody is asked
    expected = f"a.key: {wanted.path}" + (
        f": expected the file of {wanted.url}, got {got}; remove it and fetch it again" if got else ""
    )
    assert (found.level, found.line) == ("fault" if got else "ok", expected)


def test_files_that_a_parameter_names(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    assert file_fault("a.key", str(path), "zoo or a path") == (
        f"a.key: expected zoo or a path, got {str(path)!r}: no such file"
    )
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    line = file_fault("a.key", str(path), "zoo or a path")
    assert line is not None
    assert "got a Git LFS pointer" in line
    path.write_bytes(b"weights")
    assert file_fault("a.key", str(path), "zoo or a path") is None
