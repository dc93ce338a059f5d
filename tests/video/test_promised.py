"""What a file promises: dropped frames and placeholders are not missing, what is cut off is, and frames keep time."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from objabn.decoding.one_video import decode_one
from objabn.index.durations import video_seconds
from objabn.system.files import file_digest
from objabn.video.probe import probe_video
from objabn.video.promised import container_frames
from objabn.video.read import read_video
from tests.helpers.videos import coded, cut, moving_bar, mux, reference

JHMDB = Path(__file__).parents[3] / "shared" / "realdata" / "jhmdb"
FRAMES = 24
GAPS = [number for number in range(36) if number % 3][:FRAMES]  # the first of three is dropped; the last is 35
DIVX_AND_XVID = b"\0\0\1\xb2DivX503b1393p\0\0\1\xb2XviD0050"  # user data; the p: packets of two pictures
NOT_CODED = bytes.fromhex("000001b6514f")  # a picture of MPEG-4 part 2 that is as the one before


def row_of(path: Path) -> tuple[str, int, float]:
    """Status, number of frames, frames a second."""
    frames, outcome = decode_one(path, file_digest(path), size=(12, 16))
    return outcome["status"], len(frames), outcome["fps"]


def by_xvid(packets: list[bytes]) -> list[bytes]:
    head, vop, rest = packets[0].partition(b"\0\0\1\xb6")
    return [head + DIVX_AND_XVID + vop + rest, *packets[1:]]


def packed(packets: list[bytes], placeholder: bytes) -> list[bytes]:
    """Each picture with the B-frame behind it in one packet, and a placeholder where that was."""
    result: list[bytes] = []
    for packet in packets:
        if packet[packet.index(b"\0\0\1\xb6") + 4] >> 6 == 2:
            result[-1] += packet
            result.append(placeholder)
        else:
            result.append(packet)
    return result


def packed_with(placeholder: bytes, before: int = 0, behind: int = 0) -> list[bytes]:
    pictures = packed(by_xvid(coded(moving_bar(FRAMES), bf="1")), placeholder)
    return [*[placeholder] * before, *pictures, *[placeholder] * behind]


def with_one_inside(placeholder: bytes) -> list[bytes]:
    packets = coded(moving_bar(FRAMES))
    return [*packets[:9], placeholder, *packets[9:]]


DROPPED: dict[str, tuple[Callable[[Path], None], int]] = {  # and how many frames would fill the time
    "inside": (lambda path: mux(path, coded(moving_bar(FRAMES)), GAPS), 36),
    "b-frames": (lambda path: mux(path, coded(moving_bar(FRAMES), bf="2"), GAPS), 36),
    "first": (lambda path: mux(path, [b"", b"", *coded(moving_bar(FRAMES))]), 26),
    "last": (lambda path: mux(path, [*coded(moving_bar(FRAMES)), b"", b"", b""]), 27),
}
EMPTY: dict[str, tuple[Callable[[], list[bytes]], int]] = {
    "1 byte": (lambda: packed_with(b"\x7f"), 24),
    "1 byte, 1 before": (lambda: packed_with(b"\x7f", 1), 25),
    "1 byte, 2 before": (lambda: packed_with(b"\x7f", 2), 26),
    "1 byte, 1 behind": (lambda: packed_with(b"\x7f", 0, 1), 25),
    "not coded": (lambda: packed_with(NOT_CODED), 24),
    "not coded, 2 behind": (lambda: packed_with(NOT_CODED, 0, 2), 26),
    "not packed": (lambda: with_one_inside(NOT_CODED), 25),
    "not packed, 1 byte": (lambda: with_one_inside(b"\x7f"), 25),
}


@pytest.mark.parametrize("name", DROPPED)
def test_dropped_frames_are_not_missing(tmp_path: Path, name: str) -> None:
    make, slots = DROPPED[name]
    make(tmp_path / "a.avi")
    assert row_of(tmp_path / "a.avi") == ("ok", FRAMES, pytest.approx(25 * FRAMES / slots))
    assert video_seconds(tmp_path / "a.avi") == pytest.approx(slots / 25)
    frames, info = read_video(tmp_path / "a.avi")
    assert (info.container_frames, info.decoder) == (FRAMES, "decord")
    np.testing.assert_array_equal(frames, reference(tmp_path / "a.avi"))


@pytest.mark.parametrize("name", ["inside", "b-frames", "first"])
def test_wherever_an_avi_with_dropped_frames_is_cut_the_lost_ones_are_missed(tmp_path: Path, name: str) -> None:
    DROPPED[name][0](tmp_path / "a.avi")
    content = (tmp_path / "a.avi").read_bytes()
    ends, at = [], content.index(b"movi") + 4
    while content[at : at + 4] != b"idx1":
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        at += 8 + size
        ends += [at] if size else []
        at += size % 2
    assert len(ends) == FRAMES
    places = [*range(ends[3], len(content), 499), *(ends[-2] + shift for shift in (-1, 0, 9)), ends[-1] - 1]
    for place in places:
        (tmp_path / "cut.avi").write_bytes(content[:place])
        whole = sum(end <= place for end in ends)
        assert row_of(tmp_path / "cut.avi")[:2] == ("truncated" if whole < FRAMES else "ok", whole), place


def test_what_the_index_lists_and_nobody_finds_is_missing(tmp_path: Path) -> None:
    """Zeros in the middle: times pass there, as over dropped frames."""
    mux(tmp_path / "a.avi", coded(np.random.default_rng(0).integers(0, 256, (24, 48, 64, 3), dtype=np.uint8)))
    content = bytearray((tmp_path / "a.avi").read_bytes())
    content[len(content) // 2 : len(content) * 3 // 4] = bytes(len(content) // 4)
    (tmp_path / "a.avi").write_bytes(content)
    status, num_frames, _ = row_of(tmp_path / "a.avi")
    assert (status, num_frames < FRAMES) == ("truncated", True)
    assert probe_video(str(tmp_path / "a.avi")).container_frames == FRAMES


def test_zeros_in_place_of_the_end_are_no_dropped_frames(tmp_path: Path) -> None:
    """As downloads leave them that make room first."""
    mux(tmp_path / "a.avi", coded(moving_bar(FRAMES)))
    content = (tmp_path / "a.avi").read_bytes()
    there = (content.index(b"movi") + len(content)) // 2
    (tmp_path / "a.avi").write_bytes(content[:there] + bytes(len(content) - there))
    assert row_of(tmp_path / "a.avi")[0] == "truncated"


@pytest.mark.parametrize("suffix", ["mkv", "mov", "flv", "wmv", "ts"])
def test_in_other_containers_dropped_frames_are_not_missing_either(tmp_path: Path, suffix: str) -> None:
    """The time counts from the first stored frame."""
    codec = {"flv": "flv", "wmv": "wmv2", "ts": "mpeg2video"}.get(suffix, "mpeg4")
    mux(tmp_path / f"a.{suffix}", coded(moving_bar(FRAMES), codec), GAPS, codec)
    assert row_of(tmp_path / f"a.{suffix}") == ("ok", FRAMES, pytest.approx(25 * FRAMES / 35, rel=0.01))


def test_a_cut_mkv_with_dropped_frames_is_missed(tmp_path: Path) -> None:
    mux(tmp_path / "a.mkv", coded(moving_bar(FRAMES)), GAPS)
    cut(tmp_path / "a.mkv", 0.6)
    status, num_frames, _ = row_of(tmp_path / "a.mkv")
    assert (status, 0 < num_frames < FRAMES) == ("truncated", True)


@pytest.mark.parametrize(("suffix", "codec"), [("flv", "flv"), ("mp4", "mpeg4")])
def test_a_frame_that_is_there_in_part_is_missed(tmp_path: Path, suffix: str, codec: str) -> None:
    """Where the header promises nothing: flv, and mp4 in fragments."""
    packets = coded(moving_bar(FRAMES), codec)
    mux(tmp_path / f"a.{suffix}", packets, codec=codec, movflags="empty_moov+frag_keyframe")
    assert row_of(tmp_path / f"a.{suffix}")[:2] == ("ok", FRAMES)
    content = (tmp_path / f"a.{suffix}").read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(content[: content.index(packets[-1]) + 9])
    assert row_of(tmp_path / f"a.{suffix}")[:2] == ("truncated", FRAMES - 1)


@pytest.mark.parametrize("suffix", ["avi", "mkv"])
@pytest.mark.parametrize("name", EMPTY)
def test_placeholders_of_xvid_are_no_frames(tmp_path: Path, name: str, suffix: str) -> None:
    make, slots = EMPTY[name]
    mux(tmp_path / f"a.{suffix}", make())
    status, num_frames, fps = row_of(tmp_path / f"a.{suffix}")
    assert (status, num_frames, fps) == ("ok", FRAMES, pytest.approx(25 * FRAMES / slots, rel=0.002))
    cut(tmp_path / f"a.{suffix}", 0.86)  # an avi begins with 5.6 kB of headers
    status, num_frames, _ = row_of(tmp_path / f"a.{suffix}")
    assert (status, 0 < num_frames < FRAMES) == ("truncated", True)


def test_two_pictures_in_a_packet_that_is_not_said_to_hold_them(tmp_path: Path) -> None:
    """The decoder passes over the second one: that is a loss."""
    packets = packed(coded(moving_bar(FRAMES), bf="1"), NOT_CODED)
    mux(tmp_path / "a.avi", packets)
    assert row_of(tmp_path / "a.avi")[:2] == ("truncated", FRAMES - packets.count(NOT_CODED))


def test_frames_of_vp8_that_others_only_refer_to(tmp_path: Path) -> None:
    """Made by hand: libvpx has them only in two passes."""
    packets = coded(moving_bar(FRAMES), "libvpx", **{"auto-alt-ref": "0"})
    unseen = bytes([packets[5][0] & ~0x10]) + packets[5][1:]
    times = [*range(6), 5, *range(6, FRAMES)]
    for suffix in ("webm", "avi"):
        path = tmp_path / f"a.{suffix}"
        mux(path, [*packets[:5], unseen, *packets[5:]], times if suffix == "webm" else None, "libvpx")
        assert row_of(path)[:2] == ("ok", FRAMES)
        assert probe_video(str(path)).container_frames == probe_video(str(path)).packets == FRAMES


@pytest.mark.parametrize(
    ("seconds", "sound", "starts", "promised"),
    [
        ("00:00:04.833000000", False, [n / 12 for n in range(58)], 58),
        ("00:00:04.834", True, [n / 12 for n in range(40)], 58),  # cut
        ("00:00:04.834", True, [n / 12 for n in (*range(20), *range(30, 58))], 58),  # a hole
        ("00:00:04.834", True, [n / 12 for n in range(58) if n not in (3, 4, 30, 55)], 54),  # dropped
        ("00:00:04.834", True, [n / 12 for n in range(40) if n not in (3, 4, 30)], 55),  # the same, cut
        ("01:00:00", True, [0.0], 43200),
        (None, True, [0.0, 1 / 12], None),
        (None, False, [0.0, 1 / 12], 24),
        (None, False, [0.0], 24),
        (None, False, [], None),
        ("00:00:04.500", False, [0.083 + n / 12 for n in range(53)], 53),  # as in genuine SSv2: starts late
        ("00:00:03", False, [0.0, 0.5, 0.6, 1.4, 2.0, 2.9], 6),  # whenever something moves
        ("00:00:09", False, [0.0, 0.5, 0.6, 1.4, 2.0, 2.9], 6 + 10),  # the same, cut: room for 10 at 0.58 s each
    ],
)
def test_frames_promised_by_a_webm(seconds, sound, starts, promised):
    """At 12 fps: 57.996 means 58, 24.72 (the container's own duration) means 24 or 25 and is taken for the fewer."""
    metadata = {} if seconds is None else {"DURATION": seconds}
    stream = SimpleNamespace(frames=0, average_rate=Fraction(12), metadata=metadata)
    container = SimpleNamespace(
        format=SimpleNamespace(name="matroska,webm"), streams=[stream] * (1 + sound), duration=2_060_000
    )
    assert container_frames(container, stream, starts) == promised


@pytest.mark.realdata
@pytest.mark.skipif(not JHMDB.is_dir(), reason="no ../shared/realdata")
def test_every_clip_of_jhmdb_is_whole(tmp_path: Path) -> None:
    """Each has dropped frames, as many frames as masks, and the duration of its header."""
    masks = Counter(
        str(Path(image["file_name"]).parent) for image in json.loads((JHMDB / "truth.json").read_text())["images"]
    )
    with (JHMDB / "jhmdb.csv").open() as file:
        names = [line["path"] for line in csv.DictReader(file)]
    assert len(names) == len(masks) == 441
    for number, name in enumerate(names):
        path = JHMDB / "videos" / name
        probe, count = probe_video(str(path)), masks[str(Path(name).with_suffix(""))]
        assert (probe.packets, probe.container_frames) == (count, count), name
        assert count / probe.fps == pytest.approx(video_seconds(path)), name
        if number % 20 == 0:
            frames, info = read_video(path)
            assert (len(frames), info.decoder) == (count, "decord"), name
            np.testing.assert_array_equal(frames, reference(path))
        if number % 40 == 0:
            for share in (0.7, 0.9, 0.97):
                (tmp_path / "cut.avi").write_bytes(path.read_bytes())
                cut(tmp_path / "cut.avi", share)
                assert row_of(tmp_path / "cut.avi")[0] == "truncated", (name, share)
