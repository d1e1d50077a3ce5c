"""The size of picture that an editor was made for."""

from modeling.editors.instruct_pix2pix import Editor


def native_size_px(editor: Editor) -> int:
    """Return the side in pixels of the pictures that an editor's U-Net was made for."""
    return int(editor.unet.config.sample_size) * editor.pixels_per_latent
