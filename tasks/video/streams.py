"""An opened container -> its best video stream: the film, not a thumbnail or a preview.

The first stream may be a thumbnail or a preview, and a phone keeps a few large stills beside its film. As in players,
the choice is: a stream with moving pictures, then the file's default stream, then the largest, then the first.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

import av
from av.container import InputContainer
from av.video.stream import VideoStream

_ATTACHED_PICTURE = 0x400  # AV_DISPOSITION_ATTACHED_PIC
_DEFAULT = 0x1  # AV_DISPOSITION_DEFAULT
NUM_PROBED = 600
"""Number of packets that are read to distinguish moving pictures from stills, where the file has no count."""
FEW = 8
"""A stream with this many times fewer pictures than another stream of the file holds stills."""


def video_streams(container: InputContainer) -> list[VideoStream]:
    """Return the video streams of a file without cover pictures."""
    return [stream for stream in container.streams.video if not int(stream.disposition) & _ATTACHED_PICTURE]


def needs_probing(streams: Sequence[VideoStream]) -> bool:
    """Tell whether packets must be read to know which streams move: several streams, and one without a count."""
    return len(streams) > 1 and any(not stream.frames for stream in streams)


def count_packets(container: InputContainer, streams: Sequence[VideoStream]) -> dict[int, int]:
    """Return how many of the first packets each stream has, by its index. Moves the container's position."""
    counts: Counter[int] = Counter()
    with suppress(av.error.FFmpegError):
        for packet in islice(container.demux(list(streams)), NUM_PROBED):
            counts[packet.stream_index] += packet.size > 0
    return dict(counts)


def best_stream(streams: Sequence[VideoStream], counts: dict[int, int]) -> VideoStream:
    """Return the film among streams, at least one; `counts`: packets by index, where the file does not tell all."""
    pictures = {stream.index: counts.get(stream.index, 0) if counts else stream.frames for stream in streams}
    most = max(pictures.values())

    def rank(stream: VideoStream) -> tuple[bool, bool, int, int]:
        codec = stream.codec_context
        pixels = codec.width * codec.height if codec is not None else 0
        moves = pictures[stream.index] * FEW >= most and codec is not None
        return moves, bool(int(stream.disposition) & _DEFAULT), pixels, -stream.index

    return max(streams, key=rank)
