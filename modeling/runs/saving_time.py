"""Bytes of a checkpoint -> seconds to wait for a training that must save itself and end.

Weights, average and two moments in fp32 are four times the U-Net: 13.8 GB for Stable Diffusion 1.5, 140 s at 100 MB/s.
"""

from pathlib import Path

from modeling.editors.weight_files import weights_of
from modeling.runs.checkpoint_names import TENSORS, checkpoints

SD_UNET_BYTES = 3.44e9
"""fp32 weights of Stable Diffusion's U-Net, for a start that is not on this machine yet."""
COPIES = 4
"""Number of copies of the U-Net in a checkpoint: weights, average, two moments."""
BYTES_PER_S = 100e6
"""Writing speed of a slow or shared disk, sync included."""
STEP_S = 20.0
"""Seconds for the current step (five at most), for moving tensors off the device, and for the end of the process."""
LEAST_S = 60.0


def unet_bytes(start: Path) -> float:
    """Return the bytes of a start's U-Net in fp32."""
    try:
        weights = weights_of(start, "unet")
    except ValueError:  # a folder that is not whole, which is told elsewhere
        return SD_UNET_BYTES
    return 4.0 * sum(entry.num_values for entry in weights.values()) or SD_UNET_BYTES


def checkpoint_bytes(folder: Path, start: Path) -> float:
    """Return the bytes of a checkpoint: measured where `folder` has one, else estimated from the start's U-Net."""
    written = checkpoints(folder)
    return float((written[-1] / TENSORS).stat().st_size) if written else COPIES * unet_bytes(start)


def seconds_to_save(num_bytes: float) -> float:
    """Return how long to wait for a training that was asked to end before it is killed.

    >>> seconds_to_save(13.8e9), seconds_to_save(50e6)
    (158.0, 60.0)
    """
    return max(LEAST_S, STEP_S + num_bytes / BYTES_PER_S)
