"""The processes that train together: their numbers, their rows of a batch, and their sums.

`accelerate launch` or `torchrun` starts them; for a single process nothing here has an effect. Every process draws the
same global batch (draws.py) and computes its own rows, so the number of processes changes rounding only. All processes
read the output folder and the first one writes it: they must share it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from modeling.editors.instruct_pix2pix import pick_device
from modeling.parent import die_with_parent


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process as one of those that train together."""

    index: int = 0
    """Number of this process, from 0."""
    count: int = 1
    """Number of processes, over all machines."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Device of this process."""

    @property
    def is_first(self) -> bool:
        """True for the one process that writes and reports."""
        return self.index == 0

    def rows(self, batch_size: int) -> slice:
        """Return this process's rows of a global batch; ValueError when there are more processes than rows."""
        if batch_size < self.count:
            raise ValueError(
                f"A batch of {batch_size} cannot be divided among {self.count} processes. Start at most {batch_size}."
            )
        return slice(self.index * batch_size // self.count, (self.index + 1) * batch_size // self.count)

    def parallel(self, network: nn.Module) -> nn.Module:
        """Return a network whose backward passes give *mean* gradients over all processes, inside and outside alike.

        It holds the same weights. Several backward passes are reduced once, with `together` around all but the last.
        """
        if self.count == 1:
            return network
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=devices)

    @contextmanager
    def together(self, network: nn.Module, *, is_last: bool) -> Iterator[None]:
        """Delay the exchange of gradients of `parallel` networks until the last of several backward passes."""
        if isinstance(network, DistributedDataParallel) and not is_last:
            with network.no_sync():
                yield
        else:
            yield

    def add_up(self, tensor: Tensor) -> Tensor:
        """Return the sum of all processes' tensors; the argument is overwritten."""
        if self.count > 1:
            distributed.all_reduce(tensor)
        return tensor

    def any(self, flag: bool) -> bool:
        """Tell whether `flag` is true in any process; all must ask."""
        if self.count == 1:
            return flag
        return bool(self.add_up(torch.tensor(float(flag), device=self.device)).item())

    def check_same(self, number: int, what: str) -> None:
        """Raise ValueError unless all processes have the same `number` of `what`."""
        if self.count == 1:
            return
        mine = torch.tensor([number, -number], device=self.device)
        distributed.all_reduce(mine, distributed.ReduceOp.MAX)
        highest, lowest = mine[0].item(), -mine[1].item()
        if highest != lowest:
            raise ValueError(
                f"Process {self.index} of {self.count} has {number} {what}, others have {lowest} to {highest}. "
                "Shards, start and output folder must be the same on every machine: put them on a shared file system."
            )

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.any(False)

    def leave(self) -> None:
        """Wait for all processes, and end the group."""
        self.wait()
        if self.count > 1:
            distributed.destroy_process_group()


def join_ranks(device: str) -> Ranks:
    """Return this process's place among those that `accelerate launch` or `torchrun` started, or that it is alone.

    device: "auto" takes this machine's GPU of the process's own number where there are any. A process of several ends
    with the launcher that started it.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Ranks(device=pick_device(device))
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device is {device!r}; several processes share out the GPUs themselves: auto, cuda or cpu.")
    for plugin in ("FSDP", "DEEPSPEED", "MEGATRON_LM"):
        if os.environ.get(f"ACCELERATE_USE_{plugin}", "false").lower() == "true":
            raise ValueError(f"Every process holds the whole U-Net here; launch without {plugin.lower()}.")
    die_with_parent()
    state = _partial_state(on_cpu=device == "cpu" or not torch.cuda.is_available())
    return Ranks(index=state.process_index, count=state.num_processes, device=state.device)


def _partial_state(*, on_cpu: bool) -> Any:
    from accelerate import PartialState  # imported here: a single process does not need it

    # Without `cpu` a launcher's processes on a machine without GPUs would each train alone.
    return PartialState(cpu=on_cpu)
