"""Videos that tests make, in any codec and container, and what PyAV alone makes of a video."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from objabn.video.libraries import libraries


def moving_bar(num_frames: int, height: int = 48, width: int = 64) -> np.ndarray:
    """(N, H, W, 3) uint8: blue above, green below, and from column 2 * n a white bar of 8 columns."""
    frames = np.zeros((num_frames, height, width, 3), np.uint8)
    frames[:, : height // 2, :, 2] = 200
    frames[:, height // 2 :, :, 1] = 150
    for n in range(num_frames):
        frames[n, :, 2 * n : 2 * n + 8] = 255
    return frames


def encode(
    path: Path,
    *streams: np.ndarray,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    times: list[int] | None = None,
    pixel_aspect: Fraction | None = None,
    **options: str,
) -> None:
    """Any codec and container, unlike write_video; a stream for each array of frames, at 25 fps unless `times` says
    when each frame comes (milliseconds)."""
    av = libraries().av
    with av.open(str(path), "w") as container:
        made = [container.add_stream(codec, rate=Fraction(25), options=options) for _ in streams]
        for stream, frames in zip(made, streams, strict=True):
            stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pix_fmt
            if pixel_aspect is not None:
                stream.codec_context.sample_aspect_ratio = pixel_aspect
            if times is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
        for stream, frames in zip(made, streams, strict=True):
            for number, frame in enumerate(frames):
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
                if times is not None:
                    picture.pts, picture.time_base = times[number], Fraction(1, 1000)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))


def encode_sound(path: Path, cover: np.ndarray | None = None) -> None:
    av = libraries().av
    with av.open(str(path), "w") as container:
        sound = container.add_stream("libmp3lame", rate=44100)
        if cover is not None:
            picture = container.add_stream("mjpeg", rate=1)
            picture.height, picture.width, picture.pix_fmt = *cover.shape[:2], "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
            container.mux(picture.encode(av.VideoFrame.from_ndarray(cover, format="rgb24")))
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 1152), np.int16), format="s16p", layout="stereo")
        silence.sample_rate = 44100
        for _ in range(20):
            container.mux(sound.encode(silence))
        container.mux(sound.encode(None))


def cut(path: Path, share: float) -> None:
    """Leaves the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def turn_right(path: Path) -> None:
    """Tags an mp4 as one that players turn by 90 degrees clockwise, as phones do."""
    set_matrix(path, (0, 1, -1, 0))


def set_matrix(path: Path, matrix: tuple[float, float, float, float]) -> None:
    """Tags an mp4 with a display matrix, that of its track's header: a pixel (x, y) goes to (ax + cy, bx + dy)."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (round(number * (1 << 16)) for number in matrix)
    numbers = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    content[at : at + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
    path.write_bytes(content)


def reference(path: Path, stream: int = 0) -> np.ndarray:
    """Every frame up to the first fault as PyAV's own loop gives it, without any code of ours: (N, H, W, 3)."""
    import av

    frames = []
    with av.open(str(path)) as container:
        try:
            for frame in container.decode(video=stream):
                frames.append(frame.to_ndarray(format="rgb24"))
        except av.FFmpegError:
            pass
    return np.stack(frames)


def coded(frames: np.ndarray, codec: str = "mpeg4", **options: str) -> list[bytes]:
    """The packets that an encoder makes of frames, in its order."""
    av = libraries().av
    context = av.CodecContext.create(codec, "w")
    context.height, context.width, context.pix_fmt = *frames.shape[1:3], "yuv420p"
    context.time_base, context.framerate, context.options = Fraction(1, 25), Fraction(25), options
    packets = []
    for number, frame in enumerate([*frames, None]):
        picture = None if frame is None else av.VideoFrame.from_ndarray(frame, format="rgb24")
        if picture is not None:
            picture.pts = number
        packets += [bytes(packet) for packet in context.encode(picture)]
    return [packet for packet in packets if packet]


def mux(path: Path, packets: list[bytes], times: list[int] | None = None, codec: str = "mpeg4", **options: str) -> None:
    """A file of 64 x 48 pixels and 25 fps that holds these packets as they are, one a frame unless `times` says which
    frame each is; b"" is a dropped frame."""
    av = libraries().av
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=Fraction(25))
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for number, content in enumerate(packets):
            packet = av.Packet(content)
            packet.stream, packet.time_base, packet.duration = stream, Fraction(1, 25), 1
            packet.pts = packet.dts = number if times is None else times[number]
            packet.is_keyframe = not any(packets[:number])
            container.mux(packet)
