"""Are presentation times those of the pictures? A stream + its packets -> whether decoding has to tell their order.

Where pictures are reordered, packets in decoding order cannot have ascending presentation times. Files that were copied
out of an AVI, and MXF without an index of its own, have them all the same: decoding times under another name.
"""

from itertools import islice, pairwise
from pathlib import Path

from av.video.stream import VideoStream

from tasks.fetching.opening import VideoFile
from tasks.video.decoding import decode, opened
from tasks.video.packets import Packets

NUM_TRIED = 100
"""Number of frames that are decoded to see whether they come in the order of their times."""


def lacks_order(path: VideoFile, stream: VideoStream, packets: Packets) -> bool:
    """Tell whether a stream has no presentation times, or decoded frames do not follow the order of these times."""
    known = [pts for pts in packets.pts if pts is not None]
    if not known:
        return True
    if not stream.codec_context.reorder_depth or len(known) < len(packets.pts):
        return False
    if any(after <= before for before, after in pairwise(known)):
        return False
    if not isinstance(path, Path):  # two readers of one open file would be in each other's way
        return True
    with opened(path) as (container, again):
        shown = [frame.pts for frame in islice(decode(container, again), NUM_TRIED) if frame.pts is not None]
    return any(after <= before for before, after in pairwise(shown))
