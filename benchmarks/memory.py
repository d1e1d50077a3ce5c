"""The memory of a training step: measured at its peak on a GPU, counted elsewhere, also for Stable Diffusion's size.

Counted are weights, their average and moments, the frozen copy, gradients, and all that autograd saves in the forward
pass, each storage once. The U-Net of Stable Diffusion is counted on torch's meta device, which holds shapes alone.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.editors import SIZES, make_unet
from benchmarks.training_steps import OBJECTIVES, OurStep
from modeling.diffusion.schedule import predict
from modeling.objective.freezing import freeze, frozen_copy


class Storages:
    """Counts the bytes of tensors, each storage once. All of them must live until the end."""

    def __init__(self) -> None:
        self._bytes: dict[int, int] = {}

    def add(self, tensor: Tensor) -> Tensor:
        """Count a tensor's storage and return the tensor."""
        storage = tensor.untyped_storage()
        self._bytes[storage._cdata] = storage.nbytes()
        return tensor

    def add_network(self, network: nn.Module | None) -> None:
        """Count a network's weights."""
        for weight in () if network is None else network.parameters():
            self.add(weight)

    def add_saved(self, forward: Callable[[], object]) -> int:
        """Also count the tensors that autograd saves in a forward pass; return all bytes counted so far."""
        with torch.autograd.graph.saved_tensors_hooks(self.add, lambda tensor: tensor):
            kept_alive = forward()  # otherwise storages would be freed and their addresses used again
        total = sum(self._bytes.values())
        del kept_alive
        return total


def step_bytes(ours: OurStep, device: torch.device) -> int:
    """Return the memory of a step: its peak on a GPU; on a CPU counted, for the whole batch at once."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        ours(1)
        return int(torch.cuda.max_memory_allocated(device))
    trainer, storages = ours.trainer, Storages()
    for network in (trainer.unet, trainer._frozen):
        storages.add_network(network)
    for tensor in trainer.tensors().values():
        storages.add(tensor)
    gradients = sum(weight.nbytes for weight in trainer.unet.parameters() if weight.requires_grad)
    (part,) = ours.batches.parts(ours.batches.draw(1))
    return storages.add_saved(lambda: trainer.errors(part)) + gradients


def counted_bytes(sizes: str, objective: str, *, size_px: int, micro_batch: int) -> int:
    """Count a step of an objective without running it: fp32 weights, moments and gradients, bf16 activations."""
    chosen = OBJECTIVES[objective]
    with torch.device("meta"):
        unet, activations = make_unet(SIZES[sizes]), make_unet(SIZES[sizes]).to(torch.bfloat16)
        rows, side = (2 if chosen.lambda_action else 1) * micro_batch, size_px // 8
        latents = torch.empty(rows, 4, side, side, dtype=torch.bfloat16)
        text = torch.empty(rows, 77, SIZES[sizes].text_width, dtype=torch.bfloat16)
        timesteps = torch.zeros(rows, dtype=torch.int64)
        trainable = sum(weight.nbytes for weight in freeze(unet, chosen.freeze).values())
        freeze(activations, chosen.freeze)
        frozen = frozen_copy(unet, torch.bfloat16) if chosen.lambda_reg else None
        storages = Storages()
        # the last term: the copies of the weights that autocast makes for the pass
        for network in (unet, frozen, activations):
            storages.add_network(network)
        total = storages.add_saved(lambda: predict(activations, latents, latents, timesteps, text))
    # The average, two moments and the gradient of each trainable weight.
    return total + 4 * trainable
