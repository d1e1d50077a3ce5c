"""The device and the peak memory of a stage, for its manifest; they are part of no key or digest."""

import os
import platform
import resource
import sys
from typing import Any

KIB_PER_UNIT = 1 / 1024 if sys.platform == "darwin" else 1
"""ru_maxrss counts KiB on Linux, and bytes on macOS."""


def resources_used(device: str) -> dict[str, Any]:
    """Return the device in words, and the peak of main memory and of the GPU's memory in MiB.

    device: the run's option. Main memory is the largest of this process so far and of any process that it started;
    a GPU is told where this process has used one (training in processes of its own tells it in its log).
    """
    used = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    told: dict[str, Any] = {
        "device": f"cpu {platform.machine()}, {os.cpu_count()} cores",
        "memory_mib": round(used * KIB_PER_UNIT / 1024),
    }
    torch = sys.modules.get("torch")  # not imported for this
    if torch is not None and device != "cpu" and torch.cuda.is_available():
        told["device"] = torch.cuda.get_device_name()
        if torch.cuda.is_initialized():
            told["gpu_memory_mib"] = round(torch.cuda.max_memory_allocated() / 2**20)
    return told
