"""The contact with PyAV: a file -> an opened stream, its packets, its frames as upright RGB. Nothing here chooses.

PyAV's objects must not be used once their container is closed (some crash), so they never leave the `with` block.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream

from modeling.data.images import Picture
from tasks.fetching.opening import VideoFile, bytes_of

DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,h264,hevc,mxf,m4v,mpegvideo,dv,ivf,obu,nut"
)
"""Containers that are opened; not playlists and the like, which name other files and addresses."""
MAX_UNREADABLE = 1_000
"""Unreadable stretches after which a file is given up."""
_ATTACHED_PICTURE = 0x400  # AV_DISPOSITION_ATTACHED_PIC
_EXACTLY = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
"""Without ACCURATE_RND swscale darkens by up to two levels."""
_TO_RGB = Interpolation.BICUBIC | _EXACTLY
_TO_SQUARE = Interpolation.LANCZOS | _EXACTLY | Interpolation.BITEXACT


def decoder_settings() -> dict[str, str]:
    """Return what decides a frame's pixels beside the file itself."""
    versions = {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}
    return {name: versions[name] for name in ("libavformat", "libavcodec", "libswscale")} | {
        "threads": "1",
        "skipped": "frames that nobody wants and no other frame refers to",
        "colour": "the frame's own matrix and range; untagged: BT.601, limited",
        "upright": "the right-angled part of the display matrix",
        "conversion": f"swscale {_TO_RGB.name}",
        "squash": f"swscale {_TO_SQUARE.name}",
    }


class VideoError(ValueError):
    """A video, or a moment of it, cannot be had; `reason` is the word that is counted."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason


@contextmanager
def opened(path: VideoFile) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its first video stream (cover pictures aside) for decoding on one thread.

    VideoError for what is no video, has no video stream, or none that can be decoded.
    """
    options = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
    if not isinstance(path, Path):
        path.seek(0)
    try:
        # Files carry tags in any encoding; strict UTF-8 would refuse them.
        source = str(path) if isinstance(path, Path) else path
        container = av.open(source, mode="r", options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise _opening_error(path, error) from error
    with container:
        streams = [each for each in container.streams.video if not int(each.disposition) & _ATTACHED_PICTURE]
        if not streams:
            raise VideoError("no_video_stream", f"{path.name}: there is no video in this file.")
        if streams[0].codec_context is None:
            raise VideoError("no_decoder", f"{path.name}: its codec cannot be decoded here.")
        streams[0].codec_context.thread_count = 1
        yield container, streams[0]


def _opening_error(path: VideoFile, error: Exception) -> VideoError:
    """Say why libav did not open a file."""
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
    """Yield the packets of a stream that have content; None stands for a stretch that the demuxer could not read."""
    for _ in range(MAX_UNREADABLE):
        try:
            # Empty packets are the demuxer's end mark, or an AVI's repeated frame: to a decoder, the end.
            yield from (packet for packet in container.demux(stream) if packet.size)
            return
        except av.error.InvalidDataError:
            yield None


def decode(container: InputContainer, stream: VideoStream, *, is_truncated: bool = False) -> Iterator[VideoFrame]:
    """Yield every frame that libav shows, from the container's position on, past damage.

    Where a file breaks off (`is_truncated`), half a packet is left at its end: that is left out.
    """
    for packet in demux(container, stream):
        if packet is None or (is_truncated and packet.is_corrupt):
            continue
        try:
            yield from stream.codec_context.decode(packet)
        except av.error.InvalidDataError:
            continue
    try:
        yield from stream.codec_context.decode(None)
    except av.error.InvalidDataError:
        return


def to_rgb(frame: VideoFrame, size_px: int | None = None) -> Picture:
    """Return a frame as uint8 RGB [H, W, 3], upright, by its own colour matrix and range (untagged: BT.601, limited).

    With `size_px` it is squashed to that square by LANCZOS while it is converted: from 1080p to 512 px a sixth of the
    time of converting it first, and nearer to the same filter in full precision (benchmarks/frame_extraction.py).
    """
    how = _TO_RGB if size_px is None else _TO_SQUARE
    rgb = frame.reformat(width=size_px, height=size_px, format="rgb24", interpolation=how, threads=1)
    image: Picture = rgb.to_ndarray().astype(np.uint8, copy=False)
    try:
        matrix = frame.side_data["DISPLAYMATRIX"]  # type: ignore[typeddict-item]  # the stub has one key only
    except KeyError:
        return image
    return turn_upright(image, np.frombuffer(matrix, np.int32))


def turn_upright(image: Picture, matrix: np.ndarray) -> Picture:
    """Apply the right-angled part of a display matrix (nine int32: a, b, u, c, d, v, x, y, w; ISO 14496-12)."""
    a, b, c, d = (int(matrix[place]) for place in (0, 1, 3, 4))
    right, down = a, d
    if abs(b) > abs(a):
        image, right, down = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1])


def ends_early(path: VideoFile, stream: VideoStream) -> bool:
    """Tell whether a file ends before its own tables say (a broken download)."""
    size = path.stat().st_size if isinstance(path, Path) else path.size
    head = bytes_of(path, 0, 4096)
    if head[:4] == b"RIFF":
        # A length of 0 stands for a recording that was not closed.
        return int.from_bytes(head[4:8], "little") + 8 - size > 0
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return _matroska_end(head) > size
    if head[4:8] == b"ftyp":
        return any(entry.pos + entry.size > size for entry in stream.index_entries)
    return False


def _matroska_end(head: bytes) -> int:
    """Return where a Matroska file's segment ends; 0 when it does not say (live recordings)."""
    offset = 4
    length, offset = _ebml_length(head, offset)
    offset += length
    if head[offset : offset + 4] != b"\x18\x53\x80\x67":
        return 0
    length, offset = _ebml_length(head, offset + 4)
    return offset + length if length else 0


def _ebml_length(head: bytes, offset: int) -> tuple[int, int]:
    """Read an EBML length (RFC 8794) at `offset`; return it, 0 when unknown, and where its content begins."""
    if offset >= len(head) or not head[offset]:
        return 0, offset
    width = 9 - head[offset].bit_length()
    mask = (1 << (7 * width)) - 1
    value = int.from_bytes(head[offset : offset + width], "big") & mask
    return (0 if value == mask else value), offset + width
