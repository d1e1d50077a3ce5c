"""Pictures -> the same pictures after an editor's autoencoder: an upper bound for every editor that uses it.

Training and edits both end in this autoencoder, so the ground truth encoded and decoded is the best edit that they
can give. The posterior's mean is taken, without noise, as for the targets of training.
"""

from collections.abc import Sequence

import numpy as np

from modeling.data.images import Picture, squash, to_tensor
from modeling.editors.instruct_pix2pix import Editor, default_batch_size


def through_autoencoder(editor: Editor, pictures: Sequence[Picture], size_px: int) -> Picture:
    """Return uint8 RGB pictures of any sizes, encoded and decoded: uint8 [N, size_px, size_px, 3], N at least 1.

    ValueError for a side that the autoencoder cannot take; NotFinite where its numbers are no picture.
    """
    editor.latent_shape(size_px)
    batch_size = default_batch_size(size_px)
    decoded = []
    for first in range(0, len(pictures), batch_size):
        squashed = np.stack([squash(picture, size_px) for picture in pictures[first : first + batch_size]])
        decoded.append(editor.decode(editor.encode_target(to_tensor(squashed))[0]))
    return np.concatenate(decoded)
