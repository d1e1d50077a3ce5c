"""NAL units of H.264 and HEVC: a packet -> its units, and those that rotate the picture. ITU-T H.264 and H.265."""

import re
from itertools import pairwise

START_CODE = re.compile(rb"\x00\x00\x01(?=..)", re.DOTALL)
DISPLAY_ORIENTATION = 47
"""Type of the SEI message on the display orientation (H.264 and H.265, annex D)."""
_SEI = {"h264": (6,), "hevc": (39,)}
_HEAD_BYTES = {"h264": 1, "hevc": 2}


def nal_length_size(codec: str, extradata: bytes) -> int:
    """Return the bytes of a NAL unit's length in MP4 and Matroska (ISO 14496-15), 0 where units have start codes."""
    if codec == "h264" and len(extradata) > 4 and extradata[0] == 1:
        return (extradata[4] & 3) + 1
    if codec == "hevc" and len(extradata) > 21 and (extradata[0] or extradata[1] or extradata[2] > 1):
        return (extradata[21] & 3) + 1
    return 0


def nal_units(content: memoryview, length_size: int) -> list[memoryview] | None:
    """Return the NAL units of a packet, of two bytes at least; None when the lengths do not fill the packet."""
    if not length_size:
        starts = [code.end() for code in START_CODE.finditer(content)]
        return [content[start:stop] for start, stop in pairwise([*starts, len(content)])]
    units = []
    offset, size = 0, len(content)
    while offset < size:
        length = int.from_bytes(content[offset : offset + length_size], "big")
        offset += length_size
        unit = content[offset : offset + length]
        offset += length
        # The first bit of a unit is always 0 ("forbidden_zero_bit").
        if length < 1 or offset > size or unit[0] & 0x80:
            return None
        units.append(unit if length > 1 else memoryview(bytes(unit) + b"\1"))
    return units


def tells_orientation(codec: str, unit: memoryview) -> bool:
    """Tell whether a NAL unit holds an SEI message on the display's orientation."""
    kind = unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63
    if kind not in _SEI[codec]:
        return False
    at, end = _HEAD_BYTES[codec], len(unit) - 1  # the last byte ends the unit
    while at < end:
        message, at = _extended(unit, at)
        size, at = _extended(unit, at)
        if message == DISPLAY_ORIENTATION:
            return True
        at += size
    return False


def _extended(unit: memoryview, at: int) -> tuple[int, int]:
    """Read a number that continues while its bytes are 255; return it and its end."""
    number = 0
    while at < len(unit) and unit[at] == 255:
        number, at = number + 255, at + 1
    return number + (unit[at] if at < len(unit) else 0), at + 1
