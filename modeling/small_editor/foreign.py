"""Pictures -> a warning when they are not from the drawn kitchen, the only scenes that the small editor knows."""

from collections.abc import Sequence

import numpy as np
import torch

from modeling.data.images import Picture, squash, to_tensor
from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.model_index import OWN_MODULE
from modeling.editors.native_size import native_size_px

KITCHEN_ERROR = 6.0
"""Mean error (of 255) of the small editor's autoencoder above which pictures are not its kitchen's.

Kitchen pictures: 1.8 to 3.0 (six scenes). Frames of ten real videos: 10 to 22.
"""
NUM_LOOKED_AT = 8
"""Number of pictures whose error is measured."""


def foreign_pictures(editor: Editor, pictures: Sequence[Picture]) -> str:
    """Return the warning when the kitchen's editor gets pictures of other scenes."""
    if type(editor.vae).__module__ != OWN_MODULE or not len(pictures):
        return ""
    side = native_size_px(editor)
    original = to_tensor(np.stack([squash(picture, side) for picture in pictures[:NUM_LOOKED_AT]]))
    with torch.inference_mode():
        again = editor.vae.decode(editor.encode_condition(original), return_dict=False)[0].cpu()
    error = float((again - original).abs().mean(dim=(1, 2, 3)).median()) * 127.5
    if error <= KITCHEN_ERROR:
        return ""
    return (
        f"The small editor knows the drawn kitchen alone, and these pictures are no kitchen (its autoencoder misses "
        f"them by {error:.0f} of 255 on average, its own by 3): edits will look like drawn furniture. For photographs "
        "take --start timbrooks/instruct-pix2pix, and train from it."
    )
