import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest

from objabn.config.schema import Decode
from objabn.decoding.decode import decode_videos
from objabn.decoding.unfinished_store import UnfinishedStore
from objabn.index.table import build
from objabn.stores.array import StoreReader
from objabn.stores.frames import open_frames
from objabn.stores.table import check_missing, describe_losses
from objabn.system.locks import one_at_a_time
from objabn.video.read import VideoInfo, read_video
from objabn.video.write import write_video

DECODE = Decode(height=24, width=32, codec="zstd", quality=95, store=True, stride=1, frames_per_shard=16)


def moving_square(num_frames: int) -> np.ndarray:
    frames = np.full((num_frames, 48, 64, 3), 40, np.uint8)
    for number in range(num_frames):
        frames[number, 10:30, number : number + 20] = (200, 120, 60)
    return frames


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """a/good.mp4 (20 frames), a/short.mp4 (3), b/empty.mp4, b/text.mp4."""
    folder = tmp_path / "videos"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    write_video(folder / "a/good.mp4", moving_square(20))
    write_video(folder / "a/short.mp4", moving_square(3))
    (folder / "b/empty.mp4").touch()
    (folder / "b/text.mp4").write_text("no video\n" * 100)
    return folder


def index_of(videos: Path) -> pd.DataFrame:
    paths = sorted(path.relative_to(videos).as_posix() for path in videos.rglob("*.*"))
    listed = [{"video": path.rsplit(".", 1)[0], "path": path, "label": path[0], "split": "train"} for path in paths]
    return build(pd.DataFrame(listed), videos)[0]


def decode(videos: Path, store: Path, settings: Decode = DECODE, **options: Any) -> pd.DataFrame:
    options = {"workers": 2, "timeout_sec": 300.0, **options}
    return decode_videos(index_of(videos), videos, store, settings, **options).set_index("video")


def content(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def unruly(path: Path, **options: Any) -> tuple[np.ndarray, VideoInfo]:
    """`read_video` that hangs or crashes when a file's name says so."""
    if "hang" in path.name:
        time.sleep(600)
    if "exit" in path.name:
        os._exit(4)
    if "segfault" in path.name:
        os.kill(os.getpid(), signal.SIGSEGV)
    return read_video(path, **options)


def never(path: Path, **options: Any) -> tuple[np.ndarray, VideoInfo]:
    raise AssertionError("decoded again")


def test_every_registered_video_is_a_row_with_its_outcome(videos: Path, tmp_path: Path) -> None:
    table = decode(videos, tmp_path / "store")
    assert table["status"].to_dict() == {"a/good": "ok", "a/short": "ok", "b/empty": "failed", "b/text": "failed"}
    assert table["frames"].to_dict() == {"a/good": 20, "a/short": 3, "b/empty": 0, "b/text": 0}
    assert table["offset"].to_dict() == {"a/good": 0, "a/short": 20, "b/empty": 23, "b/text": 23}
    assert table.loc["b/empty", "error"] == "0 bytes"
    assert table.loc["a/good", ["height", "width"]].tolist() == [48, 64]


def test_a_cut_video_is_truncated_and_keeps_its_frames(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    videos = tmp_path / "videos"
    (videos / "a").mkdir(parents=True)
    path = videos / "a/cut.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in moving_square(40):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    content = path.read_bytes()
    start = content.index(b"movi")
    path.write_bytes(content[: start + (len(content) - start) // 2])
    row = decode(videos, tmp_path / "store").loc["a/cut"]
    assert row["status"] == "truncated"
    assert 0 < row["frames"] < 40
    assert row["error"] == f"{row['frames']} of 40 frames could be decoded"


def test_a_video_that_changed_since_it_was_registered_fails(videos: Path, tmp_path: Path) -> None:
    index = index_of(videos)
    write_video(videos / "a/good.mp4", moving_square(10))
    (videos / "a/short.mp4").unlink()
    table = decode_videos(index, videos, tmp_path / "store", DECODE).set_index("video")
    assert table.loc["a/good", "status"] == "failed"
    assert table.loc["a/good", "error"].startswith("its content is not what index.csv registered")
    assert table.loc["a/short", "error"] == "no such file"


def test_the_store_holds_what_the_files_hold(videos: Path, tmp_path: Path) -> None:
    decode(videos, tmp_path / "store")
    frames = StoreReader(tmp_path / "store").read_all("a/good")
    np.testing.assert_array_equal(frames, read_video(videos / "a/good.mp4", size=(24, 32))[0])


def test_without_a_store_clips_are_the_same(videos: Path, tmp_path: Path) -> None:
    without = DECODE.model_copy(update={"store": False})
    stored = decode(videos, tmp_path / "stored")
    listed = decode(videos, tmp_path / "listed", without)
    pd.testing.assert_frame_equal(stored.drop(columns="checksum"), listed)
    assert [path.name for path in (tmp_path / "listed").iterdir()] == ["videos.csv"]
    indices = np.array([2, 6, 10, 14, 18])
    from_store = open_frames(tmp_path / "stored", videos, DECODE)
    from_files = open_frames(tmp_path / "listed", videos, without)
    np.testing.assert_array_equal(from_store.read("a/good", indices), from_files.read("a/good", indices))
    write_video(videos / "a/good.mp4", moving_square(4))
    with pytest.raises(ValueError, match=r"good.mp4: expected 20 frames, got 4: it changed"):
        from_files.read("a/good", indices)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_video_that_hangs_or_crashes_the_decoder_is_a_row(videos: Path, tmp_path: Path, workers: int) -> None:
    for name in ("a/hang", "a/exit", "b/segfault"):
        write_video(videos / f"{name}.mp4", moving_square(20))
    table = decode(videos, tmp_path / "store", workers=workers, timeout_sec=2.5, read=unruly)
    lost = table[["status", "error", "frames"]].T.to_dict("list")
    assert lost == {
        "a/exit": ["failed", "the decoder crashed (exit status 4)", 0],
        "a/good": ["ok", "", 20],
        "a/hang": ["failed", "took longer than 2.5 seconds", 0],
        "a/short": ["ok", "", 3],
        "b/empty": ["failed", "0 bytes", 0],
        "b/segfault": ["failed", "the decoder crashed (SIGSEGV)", 0],
        "b/text": ["failed", lost["b/text"][1], 0],
    }
    frames = StoreReader(tmp_path / "store").read_all("a/short")
    np.testing.assert_array_equal(frames, read_video(videos / "a/short.mp4", size=(24, 32))[0])


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """14 videos of 1 to 40 frames, one of them empty and two black: their chunks hold nothing but zeros."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(13):
        frames = moving_square(1 + 13 * number % 40) * (number not in (6, 11))
        write_video(folder / f"{number:02}.mp4", np.roll(frames, number, axis=1))
    (folder / "05b.mp4").touch()
    black, _ = read_video(folder / "11.mp4")
    assert black.shape[0] == 24
    assert not black.any()
    return folder


SETTINGS = {
    "zstd": DECODE,
    "jpeg": DECODE.model_copy(update={"codec": "jpeg", "frames_per_shard": 32}),
    "table": DECODE.model_copy(update={"store": False}),
}


def test_equal_bytes_for_any_number_of_workers(many: Path, tmp_path: Path) -> None:
    for workers in (1, 2, 3, None):
        decode(many, tmp_path / str(workers), workers=workers)
        assert content(tmp_path / str(workers)) == content(tmp_path / "1")
    assert len(content(tmp_path / "1")) > 5


class Interruption(Exception):
    pass


def interrupt(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """The next decoding ends with an exception when it has that many videos."""
    append = UnfinishedStore.append

    def limited(self: UnfinishedStore, *arguments: Any, **row: Any) -> None:
        if len(self.rows) == after:
            raise Interruption
        append(self, *arguments, **row)

    monkeypatch.setattr(UnfinishedStore, "append", limited)
    monkeypatch.setattr("objabn.decoding.unfinished_store._ROWS_AT_ONCE", 3)


@pytest.mark.parametrize("kind", SETTINGS)
def test_an_interrupted_one_goes_on_to_the_same_bytes(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """Interrupted three times, at once and later; each goes on behind a whole shard."""
    expected = decode(many, tmp_path / "undisturbed", SETTINGS[kind])
    for after in (0, 5, 12):
        with monkeypatch.context() as patched:
            interrupt(patched, after)
            with pytest.raises(Interruption):
                decode(many, tmp_path / "store", SETTINGS[kind])
        assert not (tmp_path / "store").exists()
    capsys.readouterr()
    table = decode(many, tmp_path / "store", SETTINGS[kind])
    found = capsys.readouterr().out
    assert f"{tmp_path / 'store'}: " in found
    assert 9 <= int(found.split(": ")[1].split()[0]) <= 12
    pd.testing.assert_frame_equal(table, expected)
    assert content(tmp_path / "store") == content(tmp_path / "undisturbed")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".store.key", ".undisturbed.key", "store", "undisturbed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        lambda path, settings: settings.update(code="edited"),
        lambda path, settings: settings.update(quality=90),
        lambda path, settings: (path / "state.npz").write_bytes(b"PK\x03\x04 cut"),
        lambda path, settings: (path / "state.npz").write_bytes(b""),
        lambda path, settings: (path / "rows.jsonl").write_text("{"),
        lambda path, settings: (path / "store/array.zarr/c.1.0.0.0").unlink(),
        lambda path, settings: (path / "store/array.zarr/zarr.json").write_bytes(b""),
        lambda path, settings: (path / "store").rename(path / "elsewhere"),
    ],
)
def test_what_does_not_fit_or_is_damaged_is_not_gone_on_with(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], change: Any
) -> None:
    with monkeypatch.context() as patched:
        interrupt(patched, 10)
        with pytest.raises(Interruption):
            decode(many, tmp_path / "store")
    settings: dict[str, Any] = {}
    change(tmp_path / ".store.unfinished", settings)
    capsys.readouterr()
    code = settings.pop("code", "")
    decode(many, tmp_path / "store", DECODE.model_copy(update=settings), code=code)
    assert capsys.readouterr().out == ""
    decode(many, tmp_path / "undisturbed", DECODE.model_copy(update=settings))
    assert content(tmp_path / "store") == content(tmp_path / "undisturbed")


@pytest.mark.parametrize("left", ["store", "key", "both"])
def test_who_waits_takes_what_the_other_has_made(
    many: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], left: str
) -> None:
    store, tables = tmp_path / "data/store", []
    expected = decode(many, store)
    capsys.readouterr()

    def again() -> None:
        tables.append(decode(many, store, read=never))

    with one_at_a_time(tmp_path / "data"):
        second = threading.Thread(target=again)
        second.start()
        while "waiting for it to end" not in capsys.readouterr().out:
            assert second.is_alive()
            time.sleep(0.01)
        if left == "store":
            (tmp_path / "data/.store.key").unlink()
        elif left == "key":
            shutil.rmtree(store)
    second.join()
    if left == "both":
        columns = ["status", "decoder", "offset", "frames"]
        pd.testing.assert_frame_equal(tables[0][columns], expected[columns], check_dtype=False)
        again()  # without waiting it decodes
    assert set(tables[-1]["status"]) == {"failed"}


def test_a_store_of_an_avi_with_b_frames_holds_what_decoding_in_order_gives(tmp_path: Path) -> None:
    """Whatever a clip asks for: decord and torchcodec seek to other frames in such a file."""
    (tmp_path / "videos").mkdir()
    (tmp_path / "store").mkdir()
    with av.open(str(tmp_path / "videos/a.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, options={"bf": "2", "g": "5"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in moving_square(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(tmp_path / "videos/a.avi")) as container:
        expected = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    listed = pd.DataFrame([{"video": "a", "path": "a.avi", "label": "x", "split": "train"}])
    settings = DECODE.model_copy(update={"height": 48, "width": 64})
    decode_videos(build(listed, tmp_path / "videos")[0], tmp_path / "videos", tmp_path / "store", settings)
    reader = StoreReader(tmp_path / "store")
    np.testing.assert_array_equal(reader.read_all("a"), expected)
    for start in (0, 3, 11, 17):
        indices = start + 4 * np.arange(4)
        np.testing.assert_array_equal(reader.read("a", indices), expected[indices])


def table_of(train: list[str], test: list[str]) -> pd.DataFrame:
    rows = [("train", status) for status in train] + [("test", status) for status in test]
    return pd.DataFrame(
        [
            {"video": f"v{at}", "split": split, "status": status, "error": "why"}
            for at, (split, status) in enumerate(rows)
        ]
    )


def test_a_split_may_miss_as_much_as_max_failed() -> None:
    check_missing(table_of(["ok", "failed", "ok", "ok"], ["ok", "truncated"]), 0.25)


def test_over_max_failed_the_message_lists_the_failed_videos_of_the_split() -> None:
    table = table_of(["failed", *["ok"] * 9], ["ok", "failed", "truncated", "ok"])
    with pytest.raises(ValueError, match="failed to decode") as error:
        check_missing(table, 0.2)
    assert str(error.value) == (
        "1 of 4 test videos failed to decode (25.0%), expected at most machine.max_failed 20.0%:\n  v11: failed: why"
    )


def test_losses_are_described_one_a_line() -> None:
    assert describe_losses(table_of(["ok", "truncated"], ["failed"])) == ["  v1: truncated: why", "  v2: failed: why"]
