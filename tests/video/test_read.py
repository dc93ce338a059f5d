"""Videos: what is written comes back, and whatever is wrong with a file ends in fewer frames or one clear line."""

import hashlib
import os
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from objabn.system.files import file_digest
from objabn.video.libraries import libraries
from objabn.video.probe import VideoError
from objabn.video.read import VideoInfo, read_video, resized
from objabn.video.write import write_video
from tests.helpers.videos import encode, encode_sound, moving_bar, reference

ROOT = Path(__file__).parents[2]
REALDATA = ROOT.parent / "shared" / "realdata"


@pytest.mark.parametrize(
    ("fps", "written"), [(1 / 3600, Fraction(1, 1001)), (0.5, Fraction(1, 2)), (30.0, Fraction(30))]
)
def test_however_slow_a_video_is(tmp_path, fps, written):
    write_video(tmp_path / "a.mp4", np.zeros((3, 8, 8, 3), np.uint8), fps=fps)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == written


@pytest.mark.parametrize("num_frames", [1, 2, 20, 33])
def test_written_frames_come_back_in_order(tmp_path, num_frames):
    frames = moving_bar(num_frames, width=96)
    write_video(tmp_path / "made" / "a.mp4", frames, fps=12.5)
    read, info = read_video(tmp_path / "made" / "a.mp4", batch=8)
    assert read.shape == frames.shape
    assert read.dtype == np.uint8
    assert np.abs(read.astype(int) - frames).mean() < 6  # 4:2:0 blurs colours at the bar's edges
    bar = (read.min(axis=3) > 128).all(axis=1)  # (N, W)
    assert [int(row.argmax()) for row in bar] == [2 * n for n in range(num_frames)]
    assert info == VideoInfo(12.5, 48, 96, num_frames, "decord")
    assert os.listdir(tmp_path / "made") == ["a.mp4"]


def test_equal_frames_give_equal_bytes(tmp_path):
    """Many times: with x264's mbtree two files differ in about half of the tries."""
    contents = set()
    for _ in range(25):
        write_video(tmp_path / "a.mp4", moving_bar(40))
        contents.add((tmp_path / "a.mp4").read_bytes())
    assert len(contents) == 1


def test_odd_sizes_gain_an_edge_when_written(tmp_path):
    write_video(tmp_path / "a.mp4", moving_bar(3, 47, 63), crf=0)
    read, info = read_video(tmp_path / "a.mp4")
    assert read.shape == (3, 48, 64, 3)
    assert (info.height, info.width) == (48, 64)
    assert np.abs(read[:, 47].astype(int) - read[:, 46]).max() <= 4


@pytest.mark.parametrize(("height", "width"), [(47, 63), (48, 63), (47, 64)])
def test_odd_sizes_are_read(tmp_path, height, width):
    encode(tmp_path / "a.avi", moving_bar(12, height, width), codec="mpeg4", qmin="1", qmax="2", bf="2")
    read, info = read_video(tmp_path / "a.avi")
    assert read.shape == (12, height, width, 3)
    assert (info.height, info.width) == (height, width)
    np.testing.assert_allclose(read, reference(tmp_path / "a.avi"), atol=2)


def test_resizing_averages_when_shrinking(tmp_path):
    stripes = np.zeros((3, 48, 64, 3), np.uint8)
    stripes[:, :, ::2] = 200  # every other column: an average of 100, which skipping columns would miss
    write_video(tmp_path / "a.mp4", stripes, crf=0)
    read, info = read_video(tmp_path / "a.mp4", size=(24, 32))
    assert read.shape == (3, 24, 32, 3)
    assert (info.height, info.width) == (48, 64)
    np.testing.assert_allclose(read, 100, atol=3)


def test_resizing_frames_by_hand():
    frame = np.array([[0, 100], [200, 40]], np.uint8)[..., None].repeat(3, 2)
    assert resized(frame, (2, 2)) is frame
    assert resized(frame, (1, 1))[0, 0].tolist() == [85] * 3
    assert resized(frame, (1, 2))[0, :, 0].tolist() == [100, 70]
    assert resized(frame, (4, 2))[:, 0, 0].tolist() == [0, 50, 150, 200]
    assert resized(frame, (4, 1))[:, 0, 0].tolist() == [50, 68, 103, 120]  # rows 50 and 120; 67.5, 102.5


def test_equals_the_resize_of_the_whole(tmp_path):
    write_video(tmp_path / "a.mp4", moving_bar(10))
    whole, _ = read_video(tmp_path / "a.mp4")
    small, _ = read_video(tmp_path / "a.mp4", size=(30, 80), batch=3)
    np.testing.assert_array_equal(small, np.stack([resized(frame, (30, 80)) for frame in whole]))


def test_a_cut_avi_gives_the_frames_before_the_cut(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (24, 48, 64, 3), dtype=np.uint8)
    encode(tmp_path / "a.avi", noise, codec="mpeg4", bf="2")
    content = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: int(len(content) * 0.7)])
    whole, _ = read_video(tmp_path / "a.avi")
    read, info = read_video(tmp_path / "cut.avi")
    assert 0 < len(read) < 24
    assert info.container_frames == 24
    assert info.decoder == "pyav"
    np.testing.assert_array_equal(read[:-2], whole[: len(read) - 2])  # the last ones may be patched up by the decoder


def test_a_cut_webm_promises_by_its_duration(tmp_path):
    encode(tmp_path / "a.webm", moving_bar(24), codec="libvpx-vp9", g="6")
    content = (tmp_path / "a.webm").read_bytes()
    (tmp_path / "cut.webm").write_bytes(content[: int(len(content) * 0.7)])
    assert read_video(tmp_path / "a.webm")[1].container_frames == 24
    read, info = read_video(tmp_path / "cut.webm")
    assert 0 < len(read) < 24
    assert info.container_frames == 24


def test_a_packet_that_fails_ends_the_video(tmp_path):
    """All-zero packets in the middle: H.264 refuses them, and decord would have filled in copies."""
    write_video(tmp_path / "a.mp4", np.random.default_rng(0).integers(0, 256, (12, 48, 64, 3), dtype=np.uint8))
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 9000] = bytes(9000)
    (tmp_path / "bad.mp4").write_bytes(content)
    read, info = read_video(tmp_path / "bad.mp4")
    assert 0 < len(read) < 12
    assert info.container_frames == 12
    assert info.decoder == "pyav"


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5, 0.8, 0.99])
@pytest.mark.parametrize(("codec", "suffix"), [("libx264", "mp4"), ("mpeg4", "avi"), ("libvpx-vp9", "webm")])
def test_no_cut_crashes(tmp_path, codec, suffix, fraction):
    encode(tmp_path / f"a.{suffix}", moving_bar(12), codec=codec)
    content = (tmp_path / f"a.{suffix}").read_bytes()
    (tmp_path / f"cut.{suffix}").write_bytes(content[: int(len(content) * fraction)])
    try:
        num_frames, message = len(read_video(tmp_path / f"cut.{suffix}")[0]), "none"
    except VideoError as error:
        num_frames, message = 0, str(error)
    assert (num_frames > 0) == (message == "none")
    assert num_frames <= 12
    assert len(message.splitlines()) == 1


def make_broken(path: Path) -> dict[str, Path]:
    """One file of each kind that holds no video."""
    names = ("empty.mp4", "text.mp4", "text.txt", "folder.mp4", "sound.mp3", "cover.mp3", "image.png", "head.mp4")
    made = {name: path / name for name in names}
    made["empty.mp4"].touch()
    made["text.mp4"].write_text("a list of things\n" * 100)
    made["text.txt"].write_text("FFmpeg renders this as terminal output\n" * 100)
    made["folder.mp4"].mkdir()
    encode_sound(made["sound.mp3"])
    encode_sound(made["cover.mp3"], moving_bar(1)[0])
    libraries().cv2.imwrite(str(made["image.png"]), moving_bar(1)[0])
    write_video(path / "a.mp4", moving_bar(5))
    made["head.mp4"].write_bytes((path / "a.mp4").read_bytes()[:100])
    return made | {"absent.mp4": path / "absent.mp4"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.mp4", "no such file"),
        ("empty.mp4", "0 bytes"),
        ("folder.mp4", "not a file"),
        ("text.mp4", 'not a video: a text file, "a list of things"'),
        ("text.txt", 'not a video: a text file, "FFmpeg renders this as terminal output"'),
        ("image.png", "not a video: a still image"),
        ("sound.mp3", "no video stream"),
        ("cover.mp3", "no video stream"),
        ("head.mp4", "not a video: nothing in it, or a cut header"),
    ],
)
def test_a_file_without_frames_says_why(tmp_path, name, message):
    with pytest.raises(VideoError) as error:
        read_video(make_broken(tmp_path)[name])
    assert str(error.value) == message


def test_the_libraries_keep_quiet(tmp_path, capfd):
    for path in make_broken(tmp_path).values():
        with pytest.raises(VideoError):
            read_video(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("size", "batch"), [((0, 4), 1), ((4, -1), 1), (None, 0)])
def test_bad_arguments_of_read_video(tmp_path, size, batch):
    with pytest.raises(ValueError, match="expected positive size and batch, got size="):
        read_video(tmp_path / "a.mp4", size=size, batch=batch)


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        (np.zeros((0, 8, 8, 3), np.uint8), {}, r"N >= 1, got uint8 \(0, 8, 8, 3\)"),
        (np.zeros((2, 8, 8), np.uint8), {}, r"got uint8 \(2, 8, 8\)"),
        (np.zeros((2, 8, 8, 3), np.float32), {}, "got float32"),
        (np.zeros((2, 8, 8, 3), np.uint8), {"fps": 0.0}, "got fps=0.0"),
        (np.zeros((2, 8, 8, 3), np.uint8), {"crf": 99}, "crf=99"),
    ],
)
def test_bad_arguments_of_write_video(tmp_path, frames, options, message):
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / "a.mp4", frames, **options)
    assert not list(tmp_path.iterdir())


def test_digest_is_blake2b_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 1_000_000)
    assert file_digest(tmp_path / "a") == hashlib.blake2b(b"abc" * 1_000_000, digest_size=16).hexdigest()


def test_importing_loads_no_decoder():
    code = "import sys, objabn.video.read; print(sorted({'torch', 'cv2', 'av', 'decord'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
        == "[]\n"
    )


@pytest.mark.realdata
@pytest.mark.skipif(not REALDATA.is_dir(), reason="no ../shared/realdata")
def test_decord_must_not_fill_in_copies(tmp_path):
    """33 wrong bytes: by default decord gives 164 frames, one of them a copy, and does not tell."""
    content = bytearray((REALDATA / "ucf101/videos/v_ApplyEyeMakeup_g01_c01.avi").read_bytes())
    rng = random.Random(1)
    for _ in range(3 + 30):
        content[rng.randrange(len(content) // 20, len(content))] = rng.randrange(256)
    (tmp_path / "bad.avi").write_bytes(content)
    frames, info = read_video(tmp_path / "bad.avi")
    assert (info.decoder, len(frames), info.container_frames) == ("pyav", 163, 164)


def test_without_decord_pyav_serves_the_same(tmp_path):
    """As on machines for which decord has no wheel. In a process of its own, which nothing has imported it into."""
    write_video(tmp_path / "a.mp4", moving_bar(20))
    code = (
        "import sys; sys.modules['decord'] = None\n"
        "import numpy as np; from objabn.video.read import read_video\n"
        f"frames, info = read_video({str(tmp_path / 'a.mp4')!r}); print(info)\n"
        f"np.save({str(tmp_path / 'a.npy')!r}, frames)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    frames, info = read_video(tmp_path / "a.mp4")
    assert info.decoder == "decord"
    assert done.stdout == f"{info}\n".replace("'decord'", "'pyav'")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), frames)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted by Linux")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core, one thread")
def test_neither_reading_nor_writing_starts_threads(tmp_path: Path) -> None:
    """PyAV's conversion of colours would take one for each core, in each process that decodes."""
    code = (
        "import os, sys; sys.modules['decord'] = None\n"
        "import numpy as np\n"
        "from objabn.video.read import read_video\nfrom objabn.video.write import write_video\n"
        "from objabn.video.libraries import libraries\nlibraries()\n"  # numpy's and OpenCV's own threads
        "count = lambda: len(os.listdir('/proc/self/task'))\n"
        "counts = [count()]\n"
        "write_video('a.mp4', np.zeros((3, 64, 64, 3), np.uint8)); counts.append(count())\n"
        "read_video('a.mp4'); counts.append(count())\n"
        "print(*counts)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    before, *after = map(int, done.stdout.split())
    assert after == [before, before]
