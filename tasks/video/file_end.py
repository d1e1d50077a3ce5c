"""A file -> whether it ends before its own tables say; RIFF, Matroska and MP4 give their length."""

from pathlib import Path

from av.video.stream import VideoStream

from tasks.fetching.opening import VideoFile, bytes_of


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
    """Return the end of a Matroska file's segment; 0 when it is not given (live recordings)."""
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
