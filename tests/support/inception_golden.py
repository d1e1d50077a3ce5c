"""The rule that draws the weights and pictures of the Inception golden (the golden's README states it)."""

import hashlib

import numpy as np
import torch


def generator(salt, name):
    seed = int.from_bytes(hashlib.sha256(f"{salt}/{name}".encode()).digest(), "big")
    return np.random.Generator(np.random.PCG64(seed))


def drawn_weights(salt, shapes):
    """Return the state dict that the rule gives."""
    return {name: torch.from_numpy(np.asarray(_entry(salt, name, shape))) for name, shape in shapes.items()}


def _entry(salt, name, shape):
    if name.endswith("num_batches_tracked"):
        return np.zeros((), dtype=np.int64)
    rng = generator(salt, name)
    if name.endswith("conv.weight"):
        drawn = rng.standard_normal(shape)
        if not name.startswith("Conv2d_1a_3x3"):
            drawn -= drawn.mean(axis=(1, 2, 3), keepdims=True)
        return (drawn * np.sqrt(2.5 / np.prod(shape[1:]))).astype(np.float32)
    if name.endswith("bn.weight"):
        return (0.75 + 0.5 * rng.random(shape)).astype(np.float32)
    if name.endswith("bn.running_var"):
        return (0.5 + rng.random(shape)).astype(np.float32)
    if name == "fc.weight":
        return (rng.standard_normal(shape) / np.sqrt(shape[1])).astype(np.float32)
    scale = 0.1 if name == "fc.bias" else 0.2
    return (scale * rng.standard_normal(shape)).astype(np.float32)


def size_of(label):
    """Return height and width of "96x96" (width x height) or "w512h384"."""
    if label.startswith("w"):
        width, height = label[1:].split("h")
    else:
        width, height = label.split("x")
    return int(height), int(width)


def drawn_picture(salt, name, height, width, grain=20):
    """Return a drawn picture, uint8 [H, W, 3]."""
    rng = generator(salt, name)
    blocks = rng.integers(0, 256, size=(5, 5, 3))
    a, b = rng.integers(1, 8, size=2)
    period = rng.integers(6, 40)
    depth = rng.integers(-90, 91, size=3)
    top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
    colour = rng.integers(0, 256, size=3)
    noise = rng.integers(-grain, grain + 1, size=(height, width, 3))
    y, x = np.arange(height)[:, None], np.arange(width)[None]
    levels = blocks[5 * y // height, 5 * x // width] + depth * (((a * x + b * y) // period) % 2)[..., None]
    levels[top : top + height // 3, left : left + width // 3] = colour
    return np.clip(levels + noise, 0, 255).astype(np.uint8)
