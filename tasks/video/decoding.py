"""The interface to PyAV: a file -> an opened stream, its packets, its frames as upright RGB. No frame is chosen here.

PyAV's objects must not be used once their container is closed (some crash), so they never leave the `with` block.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from modeling.data.images import MAX_PIXELS, Picture
from tasks.fetching.opening import VideoFile, bytes_of
from tasks.video.claims import claims_too_much
from tasks.video.cropping import Crop
from tasks.video.streams import best_stream, count_packets, needs_probing, video_streams
from tasks.video.timeline import Timeline
from tasks.video.tone_mapping import hdr_kind, to_sdr

DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,h264,hevc,mxf,m4v,mpegvideo,dv,ivf,obu,nut,gif"
)
"""Containers that are opened; playlists and other formats that name further files or addresses are not."""
BAD_PACKET = (av.error.InvalidDataError, av.error.PermissionError)
"""Errors of a decoder for a packet that it cannot use; Theora's, for a header in the middle, is the second."""
MAX_UNREADABLE = 1_000
"""Number of unreadable parts after which a file counts as unreadable."""
Matrix = NDArray[np.int32]
"""A display matrix: a, b, u, c, d, v, x, y, w (ISO 14496-12)."""
_EXACTLY = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
"""Without ACCURATE_RND swscale darkens by up to two levels."""
_TO_RGB = Interpolation.BICUBIC | _EXACTLY
_TO_SQUARE = Interpolation.LANCZOS | _EXACTLY | Interpolation.BITEXACT


def decoder_settings() -> dict[str, str]:
    """Return the settings and versions that, with the file, decide a frame's pixels."""
    versions = {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}
    return {name: versions[name] for name in ("libavformat", "libavcodec", "libswscale")} | {
        "threads": "1",
        "skipped": "frames that are not wanted and that no other frame refers to",
        "colour": "the frame's own matrix and range; untagged: BT.601, limited",
        "upright": "the right-angled part of the display matrix, which is valid until the next one",
        "fields": "flagged frames are scaled as progressive ones",
        "hdr": "HLG and PQ to sRGB by a table of 64 colours a side, white at 203 cd/m2",
        "conversion": f"swscale {_TO_RGB.name}",
        "squash": f"swscale {_TO_SQUARE.name}",
    }


class VideoError(ValueError):
    """A video, or one of its moments, cannot be read; `reason` is the word under which it is counted."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason


@contextmanager
def opened(path: VideoFile) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its best video stream (streams.py) for decoding on one thread.

    VideoError when it is no video, has no video stream, or cannot be decoded.
    """
    container, counts = _container(path), dict[int, int]()
    streams = video_streams(container)
    if needs_probing(streams):
        counts = count_packets(container, streams)
        container.close()
        container = _container(path)  # open it again: not every container can seek back to its first packet
    with container:
        streams = video_streams(container)
        if not streams:
            raise VideoError("no_video_stream", f"{path.name}: there is no video in this file.")
        stream = best_stream(streams, counts)
        if stream.codec_context is None:
            raise VideoError("no_decoder", f"{path.name}: its codec cannot be decoded here.")
        if stream.codec_context.width * stream.codec_context.height > MAX_PIXELS:
            pixels = f"{stream.codec_context.width} x {stream.codec_context.height}"
            raise VideoError(
                "too_large", f"{path.name}: {pixels} pixels; at most {MAX_PIXELS} are read. Scale it down."
            )
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # its pictures may grow later
        stream.codec_context.thread_count = 1
        yield container, stream


def _container(path: VideoFile) -> InputContainer:
    """Open a file by libav. VideoError when it is no video."""
    options = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
    if (not isinstance(path, Path) or path.is_file()) and claims_too_much(path):
        raise VideoError("damaged_index", f"{path.name}: its index claims more frames than the file can hold.")
    if not isinstance(path, Path):
        path.seek(0)
    try:
        # Files carry tags in any encoding; strict UTF-8 would refuse them.
        source = str(path) if isinstance(path, Path) else path
        return av.open(source, mode="r", options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise _opening_error(path, error) from error


def _opening_error(path: VideoFile, error: Exception) -> VideoError:
    """Return the error for a file that libav did not open."""
    if isinstance(path, Path) and not path.is_file():
        return VideoError("video_missing", f"{path.name}: there is no such file.")
    try:
        head = bytes_of(path, 0, 12)
    except OSError as unreadable:
        return VideoError("unreadable", f"{path.name}: {unreadable.strerror}.")
    if not head:
        return VideoError("empty_file", f"{path.name}: the file is empty. Fetch it again.")
    if head[4:8] in (b"ftyp", b"mdat", b"wide", b"free", b"skip"):
        return VideoError("no_index", f"{path.name}: an MP4 whose index (moov) is missing or broken. Fetch it again.")
    return VideoError("not_a_video", f"{path.name}: no video in any format known here ({error}).")


def demux(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet | None]:
    """Yield the non-empty packets of a stream; None stands for a part that the demuxer could not read."""
    for _ in range(MAX_UNREADABLE):
        try:
            # An empty packet is the demuxer's end mark, or a repeated frame in AVI; a decoder takes both for the end.
            yield from (packet for packet in container.demux(stream) if packet.size)
            return
        except av.error.InvalidDataError:
            yield None


def decode(container: InputContainer, stream: VideoStream, *, is_truncated: bool = False) -> Iterator[VideoFrame]:
    """Yield every frame that libav shows, from the container's position on, past damage.

    In a file that breaks off (`is_truncated`), the incomplete last packet is left out. Times continue where recordings
    were joined (timeline.py).
    """
    timeline = Timeline(container, stream)
    for packet in demux(container, stream):
        if packet is None or (is_truncated and packet.is_corrupt):
            continue
        try:
            yield from stream.codec_context.decode(timeline.put(packet))
        except BAD_PACKET:
            continue
    try:
        yield from stream.codec_context.decode(None)
    except av.error.InvalidDataError:
        return


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A wanted frame, with the state of the frames before it."""

    frame: VideoFrame
    matrix: Matrix | None = None
    """The last display matrix, of this frame or an earlier one."""
    before: VideoFrame | None = None
    """The frame shown before it, where all are decoded."""
    after: VideoFrame | None = None
    """The frame shown after it, where all are decoded."""
    crop: Crop | None = None
    """The crop of the picture; None when nothing is cut off."""


def to_rgb(
    frame: VideoFrame, size_px: int | None = None, matrix: Matrix | None = None, crop: Crop | None = None
) -> Picture:
    """Return a frame as uint8 RGB [H, W, 3], upright, by its own colour matrix and range (untagged: BT.601, limited).

    With `size_px` it is squashed to that square by LANCZOS while it is converted: from 1080p to 512 px a sixth of the
    time of converting it first, and nearer to the same filter in full precision (benchmarks/frame_extraction.py).
    `matrix` is the last display matrix before this frame; the frame's own has priority. `crop` is cut off.
    """
    how = _TO_RGB if size_px is None else _TO_SQUARE
    whole = filtered([frame], "setfield", "prog")[0] if frame.interlaced_frame else frame
    if crop is not None and crop.fits(frame.width, frame.height):
        width, height = frame.width - crop.left - crop.right, frame.height - crop.top - crop.bottom
        whole = filtered([whole], "crop", f"{width}:{height}:{crop.left}:{crop.top}:exact=1")[0]
    rgb = whole.reformat(width=size_px, height=size_px, format="rgb24", interpolation=how, threads=1)
    image: Picture = rgb.to_ndarray().astype(np.uint8, copy=False)
    kind = hdr_kind(frame.color_trc)
    if kind:
        image = to_sdr(image, kind, frame.color_primaries)
    own = matrix_of(frame)
    matrix = own if own is not None else matrix
    return image if matrix is None else turn_upright(image, matrix)


def deinterlaced(before: VideoFrame | None, frame: VideoFrame, after: VideoFrame | None) -> VideoFrame:
    """Return an interlaced frame as one picture, by bwdif, which also uses the neighbouring frames."""
    alike = [
        neighbour
        for neighbour in (before, after)
        if neighbour is not None and (neighbour.width, neighbour.height) == (frame.width, frame.height)
    ]
    if not alike:
        return filtered([frame, frame], "bwdif", "mode=send_frame")[0]
    frames = [candidate for candidate in (before, frame, after) if candidate is frame or candidate in alike]
    return filtered([frame for frame in frames if frame is not None], "bwdif", "mode=send_frame")[frames.index(frame)]


def filtered(frames: Sequence[VideoFrame], name: str, arguments: str) -> list[VideoFrame]:
    """Return the output of a libav filter for successive frames.

    `setfield=prog` removes the flag of an interlaced frame; otherwise libswscale would scale its fields separately.
    """
    graph = Graph()
    first = frames[0]
    source = graph.add_buffer(
        width=first.width, height=first.height, format=first.format, time_base=first.time_base or Fraction(1, 1)
    )
    step, sink = graph.add(name, arguments), graph.add("buffersink")
    source.link_to(step)
    step.link_to(sink)
    graph.configure()
    made: list[VideoFrame] = []
    for frame in (*frames, None):
        graph.push(frame)
        with suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                made.append(cast(VideoFrame, graph.pull()))
    return made


def matrix_of(frame: VideoFrame) -> Matrix | None:
    """Return the display matrix that comes with a frame, nine int32, or None."""
    try:
        return np.frombuffer(bytes(frame.side_data["DISPLAYMATRIX"]), np.int32)  # type: ignore[typeddict-item]
    except KeyError:
        return None


def turn_upright(image: Picture, matrix: Matrix) -> Picture:
    """Apply the right-angled part of a display matrix (nine int32: a, b, u, c, d, v, x, y, w; ISO 14496-12)."""
    a, b, c, d = (int(matrix[place]) for place in (0, 1, 3, 4))
    right, down = a, d
    if abs(b) > abs(a):
        image, right, down = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1])
