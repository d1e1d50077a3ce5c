"""One continuous clock for joined recordings: packets in file order -> packets with continuous times.

Transport streams joined by `cat` restart their clock in the middle. Players and the ffmpeg program (fftools,
ts_discontinuity_process) continue where the earlier recording ended; this file does the same, with the same limits. In
containers whose clock must not jump, a jump back is an error, because the right times are unknown.
"""

from fractions import Fraction

from av import Packet
from av.container import InputContainer
from av.format import Flags
from av.video.stream import VideoStream

MAX_FORWARD_S = 10
"""A jump by more than this, to either side, starts a new recording (ffmpeg's dts_delta_threshold)."""
MAX_BACK_S = Fraction(1, 10)
"""A jump back by more than this starts a new recording too."""


class Timeline:
    """The clock of one stream; it must get all packets in file order."""

    def __init__(self, container: InputContainer, stream: VideoStream):
        self.may_jump = bool(Flags.ts_discont in Flags(container.format.flags))
        """True when the container allows its clock to restart."""
        self.num_jumps = 0
        """Number of recordings after the first."""
        self.jumps_back = False
        """True when the clock jumped back although the container does not allow it."""
        self._time_base = Fraction(stream.time_base or 1)
        rate = stream.average_rate or stream.guessed_rate
        self._frame = int(1 / (rate * self._time_base)) if rate else 0
        self._offset = 0
        self._last: int | None = None
        self._latest: int | None = None
        self._next = 0

    def put(self, packet: Packet) -> Packet:
        """Return the packet with its times on the running clock."""
        if packet.dts is None:
            return packet
        dts = packet.dts + self._offset
        if self._last is not None:
            back, ahead = (self._last - dts) * self._time_base, abs(dts - self._next) * self._time_base
            if not self.may_jump:
                # Between keyframes, decoding times may be presentation times (VVC in Matroska).
                latest = self._latest if self._latest is not None else dts
                self.jumps_back |= packet.is_keyframe and (latest - dts) * self._time_base > MAX_BACK_S
            elif back > MAX_BACK_S or ahead > MAX_FORWARD_S:
                self.num_jumps += 1
                self._offset += self._next - dts
                dts = self._next
        self._latest = dts if self._latest is None else max(self._latest, dts)
        self._last, self._next = dts, dts + (packet.duration or self._frame)
        if self._offset:
            packet.dts = dts
            packet.pts = packet.pts + self._offset if packet.pts is not None else None
        return packet
