"""Manifests of a run's stages -> what the run took: seconds, memory and devices, in the order of the stages."""

from collections.abc import Mapping
from typing import Any

from tasks.artifacts.artifact import Artifact
from tasks.stages import STAGES


def in_order(artifacts: Mapping[str, Artifact]) -> dict[str, Artifact]:
    """Return artifacts in the order in which their stages run; the main editor's before those of other methods."""
    order = list(STAGES)
    return dict(sorted(artifacts.items(), key=lambda named: (order.index(named[1].manifest["stage"]), named[0])))


def cost_of(artifacts: Mapping[str, Artifact]) -> list[tuple[str, str]]:
    """Return the seconds, memory and devices of every stage before this page, from the manifests."""
    seconds = {name: float(artifact.manifest.get("seconds", 0)) for name, artifact in artifacts.items()}
    used = {name: artifact.manifest.get("resources") or {} for name, artifact in artifacts.items()}
    shown = [
        (name.replace("_", " "), ", ".join([f"{value:,.0f} s", *memory_of(used[name])]))
        for name, value in seconds.items()
        if value >= 0.5
    ]
    devices = dict.fromkeys(resources["device"] for resources in used.values() if "device" in resources)
    return [*shown, ("together", f"{sum(seconds.values()):,.0f} s"), *(("on", device) for device in devices)]


def memory_of(used: Mapping[str, Any]) -> list[str]:
    """Return the peaks of memory in words: main memory, and the GPU's where one was used."""
    named = {"memory_mib": "memory", "gpu_memory_mib": "GPU memory"}
    return [f"{used[key] / 1024:.1f} GiB {name}" for key, name in named.items() if key in used]
