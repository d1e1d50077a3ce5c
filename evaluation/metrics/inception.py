"""The Inception of FID, graph of 2015-12-05: float [B, 3, 299, 299] -> features [B, 2048]. Our own module.

Sources: Szegedy et al. 2016, arXiv:1512.00567; the names of the tensors are those of pytorch-fid's file. Unlike the
usual Inception v3: no bias before BatchNorm (eps 0.001); average pools leave the padded border out; the pool branch of
the last block takes the maximum; 1008 logits. The files of the project hold no weights; a user's file brings them.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from evaluation.metrics.tensor_files import load_tensors, misfit, sha256_of_file
from evaluation.metrics.weights import INCEPTION_SHA256

NUM_FEATURES, NUM_LOGITS, SIDE_PX = 2_048, 1_008, 299

Layer = tuple[str, int, tuple[int, int], int]
"""Suffix of the name, channels out, kernel, stride."""


class Convolution(nn.Module):
    """Convolution without bias, BatchNorm, ReLU; keeps the size unless `stride` is 2 or `padded` is False."""

    def __init__(
        self, num_in: int, num_out: int, kernel: tuple[int, int], stride: int = 1, *, padded: bool = True
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2) if padded and stride == 1 else (0, 0)
        self.conv = nn.Conv2d(num_in, num_out, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(num_out, eps=0.001)

    def forward(self, maps: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, H', W']."""
        return functional.relu(self.bn(self.conv(maps)))


def square(side: int) -> tuple[int, int]:
    """Return a square kernel."""
    return side, side


def average_pool(maps: Tensor) -> Tensor:
    """3 x 3, stride 1; the padded border does not count."""
    return functional.avg_pool2d(maps, 3, stride=1, padding=1, count_include_pad=False)


class Block(nn.Module):
    """Branches side by side, concatenated in order; a branch is a chain of layers, of which the last may fork."""

    def __init__(self, num_in: int, branches: Mapping[str, tuple[Layer, ...]], pool: str) -> None:
        """`pool`: average or max (stride 1, followed by branch_pool), or reduce (max, stride 2, nothing after)."""
        super().__init__()
        self.branches = {name: [suffix for suffix, *_ in layers] for name, layers in branches.items()}
        self.pool = pool
        for name, layers in branches.items():
            width = num_in
            for suffix, num_out, kernel, stride in layers:
                setattr(self, f"{name}{suffix}", Convolution(width, num_out, kernel, stride))
                # The two halves of a fork (…a, …b) read the same maps.
                width = width if suffix.endswith("a") else num_out

    def _branch(self, name: str, maps: Tensor) -> list[Tensor]:
        suffixes = self.branches[name]
        forks = [suffix for suffix in suffixes if suffix.endswith(("a", "b"))]
        for suffix in suffixes[: len(suffixes) - len(forks)]:
            maps = getattr(self, f"{name}{suffix}")(maps)
        return [getattr(self, f"{name}{suffix}")(maps) for suffix in forks] or [maps]

    def forward(self, maps: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, sum of the branches, H', W']."""
        parts: list[Tensor] = []
        for name in self.branches:
            if name != "branch_pool":
                parts += self._branch(name, maps)
        if self.pool == "reduce":
            return torch.cat([*parts, functional.max_pool2d(maps, 3, stride=2)], dim=1)
        pooled = average_pool(maps) if self.pool == "average" else functional.max_pool2d(maps, 3, stride=1, padding=1)
        return torch.cat([*parts, *self._branch("branch_pool", pooled)], dim=1)


def block_a(num_in: int, num_pool: int) -> Block:
    """Mixed_5b to 5d."""
    branches: dict[str, tuple[Layer, ...]] = {
        "branch1x1": (("", 64, square(1), 1),),
        "branch5x5": (("_1", 48, square(1), 1), ("_2", 64, square(5), 1)),
        "branch3x3dbl": (("_1", 64, square(1), 1), ("_2", 96, square(3), 1), ("_3", 96, square(3), 1)),
        "branch_pool": (("", num_pool, square(1), 1),),
    }
    return Block(num_in, branches, "average")


def block_c(width: int) -> Block:
    """Mixed_6b to 6e."""
    branches: dict[str, tuple[Layer, ...]] = {
        "branch1x1": (("", 192, square(1), 1),),
        "branch7x7": (("_1", width, square(1), 1), ("_2", width, (1, 7), 1), ("_3", 192, (7, 1), 1)),
        "branch7x7dbl": (
            ("_1", width, square(1), 1),
            ("_2", width, (7, 1), 1),
            ("_3", width, (1, 7), 1),
            ("_4", width, (7, 1), 1),
            ("_5", 192, (1, 7), 1),
        ),
        "branch_pool": (("", 192, square(1), 1),),
    }
    return Block(768, branches, "average")


def block_e(num_in: int, pool: str) -> Block:
    """Mixed_7b and 7c."""
    branches: dict[str, tuple[Layer, ...]] = {
        "branch1x1": (("", 320, square(1), 1),),
        "branch3x3": (("_1", 384, square(1), 1), ("_2a", 384, (1, 3), 1), ("_2b", 384, (3, 1), 1)),
        "branch3x3dbl": (
            ("_1", 448, square(1), 1),
            ("_2", 384, square(3), 1),
            ("_3a", 384, (1, 3), 1),
            ("_3b", 384, (3, 1), 1),
        ),
        "branch_pool": (("", 192, square(1), 1),),
    }
    return Block(num_in, branches, pool)


def reduction_6a() -> Block:
    """35 x 35 -> 17 x 17."""
    branches: dict[str, tuple[Layer, ...]] = {
        "branch3x3": (("", 384, square(3), 2),),
        "branch3x3dbl": (("_1", 64, square(1), 1), ("_2", 96, square(3), 1), ("_3", 96, square(3), 2)),
    }
    return Block(288, branches, "reduce")


def reduction_7a() -> Block:
    """17 x 17 -> 8 x 8."""
    branches: dict[str, tuple[Layer, ...]] = {
        "branch3x3": (("_1", 192, square(1), 1), ("_2", 320, square(3), 2)),
        "branch7x7x3": (
            ("_1", 192, square(1), 1),
            ("_2", 192, (1, 7), 1),
            ("_3", 192, (7, 1), 1),
            ("_4", 192, square(3), 2),
        ),
    }
    return Block(768, branches, "reduce")


class Inception(nn.Module):
    """The network; `load_inception` fills it."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Convolution(3, 32, square(3), 2)
        self.Conv2d_2a_3x3 = Convolution(32, 32, square(3), padded=False)
        self.Conv2d_2b_3x3 = Convolution(32, 64, square(3))
        self.Conv2d_3b_1x1 = Convolution(64, 80, square(1))
        self.Conv2d_4a_3x3 = Convolution(80, 192, square(3), padded=False)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = block_a(192, 32), block_a(256, 64), block_a(288, 64)
        self.Mixed_6a = reduction_6a()
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = map(block_c, (128, 160, 160, 192))
        self.Mixed_7a = reduction_7a()
        self.Mixed_7b, self.Mixed_7c = block_e(1280, "average"), block_e(2048, "max")
        self.fc = nn.Linear(NUM_FEATURES, NUM_LOGITS)
        self.eval().requires_grad_(False)

    def taps(self, pixels: Tensor) -> dict[str, Tensor]:
        """Return the means of the maps of 64, 192, 768 and 2048 channels, and the logits with and without fc.bias."""
        maps = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(pixels)))
        first = functional.max_pool2d(maps, 3, stride=2)
        second = functional.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(first)), 3, stride=2)
        third = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(second))))
        third = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(third))))
        last = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(third)))
        means = [functional.adaptive_avg_pool2d(maps, 1).flatten(1) for maps in (first, second, third, last)]
        named = dict(zip(("64", "192", "768", "2048"), means, strict=True))
        unbiased = functional.linear(named["2048"], self.fc.weight)
        return named | {"logits_unbiased": unbiased, "logits": unbiased + self.fc.bias}

    def forward(self, pixels: Tensor) -> Tensor:
        """Float [B, 3, 299, 299], scaled as its resize says -> [B, 2048]."""
        return self.taps(pixels)["2048"]


def load_inception(path: Path) -> tuple[Inception, str]:
    """Read a state dict (.pth, with weights only, or .safetensors); return the network and the name of the file.

    The official file is recognised by its SHA-256; another file is named by the first twelve digits of its own. Entries
    num_batches_tracked may be absent, as torch-fidelity's converter leaves them out. ValueError for any other file.
    """
    tensors = {name: tensor for name, tensor in load_tensors(path).items() if not name.endswith("num_batches_tracked")}
    network = Inception()
    wanted = {name: weight for name, weight in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    if difference := misfit(wanted, tensors):
        raise ValueError(f"{path} is not the Inception of FID: {difference}.")
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, strict=False)
    digest = sha256_of_file(path)
    known = "official file" if digest == INCEPTION_SHA256 else f"file {digest[:12]}, not the official one by its hash"
    return network, known
