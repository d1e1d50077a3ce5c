"""Config + start + examples -> the digest by which a checkpoint knows its run."""

import hashlib
import json
from dataclasses import asdict

import torch

from modeling.config import TrainConfig
from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor


def run_digest(config: TrainConfig, editor: Editor, examples: Examples) -> str:
    """Return the hex digest of everything that decides a run's result: config, start weights, examples."""
    digest = hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode())
    shards = [(shard.name, shard.stat().st_size) for shard in examples.shards]
    digest.update(json.dumps([shards, examples.instructions]).encode())
    for name, weight in sorted(editor.unet.state_dict().items()):
        digest.update(name.encode())
        digest.update(memoryview(weight.cpu().contiguous().view(torch.uint8).numpy()))
    return digest.hexdigest()
