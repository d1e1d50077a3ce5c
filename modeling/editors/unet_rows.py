"""A method's settings -> the number of U-Net rows for one picture: the cost of an edit, known before any work.

A row is one latent with one text. Rows of training (Imagic) are counted apart: each has a backward pass too.
"""

from modeling.editors.settings import ImagicConfig, MasaCtrlConfig, MethodConfig, NoiseSpaceConfig, PlugAndPlayConfig


def unet_rows(config: MethodConfig, *, has_source: bool = False) -> tuple[int, int]:
    """Return (rows without gradients, rows with them) of one picture; `has_source`: there is a source text.

    At the papers' settings with an empty source text: MasaCtrl and Prox-MasaCtrl 50 + 200, DDPM Noise Space 100 + 128,
    Plug-and-Play 999 + 150, Imagic 100 and 1,500 with gradients. ValueError for settings of another method.
    """
    steps = config.num_steps
    if isinstance(config, MasaCtrlConfig):  # Prox-MasaCtrl too
        return steps * (2 if has_source and config.inversion_guidance > 1 else 1) + 4 * steps, 0
    if isinstance(config, PlugAndPlayConfig):
        return config.inversion_steps + 3 * steps, 0
    if isinstance(config, NoiseSpaceConfig):
        return steps * (2 if has_source else 1) + 2 * (steps - config.skip), 0
    if isinstance(config, ImagicConfig):
        return 2 * steps, config.embedding_steps + config.unet_steps
    raise ValueError(f"There is no count of U-Net rows for {type(config).__name__}.")
