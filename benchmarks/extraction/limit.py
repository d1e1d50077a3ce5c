"""The limit: decode only the pictures that must be decoded, then one resize and one JPEG per wanted frame.

The bitstream gives these pictures (tests/support/bitstream.py). Finding them, opening the file and reading it cost
nothing here: their packets are in memory when the clock starts.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext

from benchmarks.extraction.ways import SIZE_PX
from modeling.data.images import encode_jpeg
from tasks.video.decoding import to_rgb
from tests.support.bitstream import read_bitstream


class Limit:
    """The packets that are needed for the frames with some numbers, and a decoder for them."""

    def __init__(self, path: Path, wanted: Iterable[int]):
        bitstream = read_bitstream(path)
        needed = bitstream.needed(wanted)
        self.num_needed = len(needed)
        self._wanted_pts = {bitstream.pictures[bitstream.places[number]].pts for number in wanted}
        self._container = av.open(str(path))
        stream = self._container.streams.video[0]
        packets = [packet for packet in self._container.demux(stream) if packet.size]
        self._groups: list[list[av.Packet]] = []
        for place in sorted(needed):
            if bitstream.pictures[place].is_key:
                self._groups.append([])
            self._groups[-1].append(packets[place])
        self._decoder: VideoCodecContext = stream.codec_context
        self._decoder.thread_count = 1

    def run(self) -> int:
        """Decode and encode; return the number of frames that became JPEGs."""
        num_made = 0
        for group in self._groups:
            self._decoder.flush_buffers()
            for frame in self._decode(group):
                if frame.pts in self._wanted_pts:
                    encode_jpeg(to_rgb(frame, SIZE_PX))
                    num_made += 1
        assert num_made == len(self._wanted_pts)
        return num_made

    def close(self) -> None:
        """Close the file."""
        self._groups.clear()
        self._container.close()

    def _decode(self, group: list[av.Packet]) -> Iterator[av.VideoFrame]:
        for packet in group:
            yield from self._decoder.decode(packet)
        yield from self._decoder.decode(None)
