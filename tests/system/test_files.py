"""Outputs are whole or absent, whatever happens to their writer and to the writer beside it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from objabn.system.files import code_digest, replace_dir, write_bytes, write_text

ROOT = Path(__file__).parents[2]

HOLD = """
import sys
from pathlib import Path
from objabn.system.files import code_digest, replace_dir
with replace_dir(Path(sys.argv[1])) as partial:
    (partial / "who").write_text("the other")
    print(partial.name, flush=True)
    sys.stdin.readline()
"""
MANY = """
import sys
from pathlib import Path
from objabn.system.files import code_digest, write_bytes
for _ in range(40):
    write_bytes(Path(sys.argv[1]), sys.argv[2].encode() * 200_000)
"""


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def start(code: str, *arguments: object) -> subprocess.Popen:
    """Another process, as `python -c`."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, **pipes)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A directory with an earlier result."""
    path = tmp_path / "out"
    path.mkdir()
    (path / "who").write_text("old")
    (path / "old only").touch()
    return path


def test_a_directory_is_replaced_whole(old):
    with replace_dir(old) as partial:
        (partial / "who").write_text("new")
        assert (old / "who").read_text() == "old"
    assert names(old) == ["who"]
    assert (old / "who").read_text() == "new"
    assert names(old.parent) == ["out"]


def test_parents_are_made(tmp_path):
    with replace_dir(tmp_path / "a" / "b") as partial:
        assert names(partial) == []
    assert names(tmp_path / "a") == ["b"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_directory(old, error):
    with pytest.raises(error), replace_dir(old) as partial:  # noqa: PT012
        (partial / "who").write_text("new")
        raise error
    assert (old / "who").read_text() == "old"
    assert names(old.parent) == ["out"]


def test_what_a_killed_writer_left_goes_with_the_next(old):
    with start(HOLD, old) as other:
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        other.kill()
    assert names(old.parent) == [name, "out"]
    assert (old / "who").read_text() == "old"
    with replace_dir(old):
        assert name not in names(old.parent)


def test_a_living_writer_keeps_its_own_and_the_last_one_wins(old):
    with start(HOLD, old) as other:
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        with replace_dir(old) as partial:
            (partial / "who").write_text("mine")
            (partial / "mine only").touch()
        assert names(old.parent) == [name, "out"]
        assert (old / "who").read_text() == "mine"
        other.communicate("go on\n")
    assert other.returncode == 0
    assert names(old) == ["who"]
    assert (old / "who").read_text() == "the other"
    assert names(old.parent) == ["out"]


def test_partials_of_another_output_are_left_alone(old):
    (old.parent / ".outer.partial-999999999").mkdir()
    with replace_dir(old):
        pass
    assert names(old.parent) == [".outer.partial-999999999", "out"]


def test_write_bytes_makes_directories_and_replaces(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    write_bytes(path, b"old and long")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, step):
    def full_disk(*_: object) -> None:
        raise OSError("no space left")

    write_bytes(tmp_path / "file", b"old")
    monkeypatch.setattr(f"objabn.system.files.os.{step}", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_two_processes_write_one_file_and_a_reader_sees_all_of_one(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"a" * 200_000)
    with start(MANY, path, "a") as one, start(MANY, path, "b") as two:
        seen = {path.read_bytes()}
        while one.poll() is None or two.poll() is None:
            seen.add(path.read_bytes())
    assert (one.returncode, two.returncode) == (0, 0)
    assert seen <= {b"a" * 200_000, b"b" * 200_000}
    assert names(tmp_path) == ["file"]


def test_text_is_utf8(tmp_path):
    write_text(tmp_path / "file", "λ\n")
    assert (tmp_path / "file").read_bytes() == b"\xce\xbb\n"


def test_what_a_killed_writer_of_a_file_left_goes_with_the_next(tmp_path):
    with start("") as gone:
        gone.communicate()
    host = socket.gethostname()
    left, living = (tmp_path / f".file.partial-{host}-{process}" for process in (gone.pid, os.getppid()))
    others = [tmp_path / f".{name}-{gone.pid}" for name in (f"file2.partial-{host}", "file.partial-elsewhere")]
    for path in (left, living, *others):
        path.write_text("half")
    write_bytes(tmp_path / "file", b"whole")
    assert names(tmp_path) == sorted(["file", living.name, *(path.name for path in others)])


def test_a_foreign_name_beside_is_left_alone(tmp_path):
    foreign = tmp_path / f".out.partial-{socket.gethostname()}-x"
    other_host = tmp_path / ".out.partial-elsewhere-999999999"
    for path in (foreign, other_host):
        path.mkdir()
    with replace_dir(tmp_path / "out"):
        pass
    assert foreign.is_dir()
    assert other_host.is_dir()


def test_a_link_is_replaced_and_its_target_kept(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/kept").touch()
    (tmp_path / "out").symlink_to("real")
    with replace_dir(tmp_path / "out") as partial:
        (partial / "new").touch()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]
    assert (tmp_path / "real/kept").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "real"]


def test_writers_that_finish_together_both_succeed(tmp_path):
    code = (
        "import sys, pathlib; from objabn.system.files import replace_dir\n"
        "for n in range(60):\n"
        "    with replace_dir(pathlib.Path(sys.argv[1])) as partial:\n"
        "        (partial / 'x').write_text(str(n))\n"
    )
    root = Path(__file__).parents[2]
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "out")], cwd=root) for _ in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out/x").read_text() == "59"


def test_the_digest_of_code_is_of_names_and_contents(tmp_path: Path) -> None:
    for name in ("a/one.py", "a/deep/two.py", "b/three.py", "b/four.py", "b/picture.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    digests = [code_digest(tmp_path, ["a", "b/three.py"])]
    (tmp_path / "b/four.py").write_text("not asked for")
    (tmp_path / "a/notes.txt").write_text("not Python")
    assert code_digest(tmp_path, ["b/three.py", "a"]) == digests[0]
    (tmp_path / "a/deep/two.py").write_text("edited")
    digests.append(code_digest(tmp_path, ["a", "b/three.py"]))
    (tmp_path / "a/one.py").rename(tmp_path / "a/renamed.py")
    digests.append(code_digest(tmp_path, ["a", "b/three.py"]))
    (tmp_path / "b/three.py").write_text("edited")
    digests.append(code_digest(tmp_path, ["a", "b/three.py"]))
    assert len(set(digests)) == 4
