"""The text-to-image methods' settings for the drawn kitchen's model: other layers, fewer steps, less guidance.

Its U-Net has 7 self-attentions, of which 3 to 6 are in the up path (Stable Diffusion v1.5: 7 to 15 of 16).
"""

from typing import Any

from modeling.editors.settings import (
    ImagicConfig,
    MasaCtrlConfig,
    NoiseSpaceConfig,
    PlugAndPlayConfig,
    ProxMasaCtrlConfig,
)
from modeling.small_editor.shipped import TEXT_TO_IMAGE
from tasks.config import TextEditorsConfig

SHARED: dict[str, Any] = {"size_px": 96, "num_steps": 50, "text_guidance": 1.5, "final_alpha": "one"}
"""Pictures of 96 px. 50 steps as in the papers: with 10 an inversion gives another kitchen back. The schedule ends at
alpha-bar 1.
"""


def kitchen_text_editors() -> TextEditorsConfig:
    """Return the settings. Imagic tunes for seconds and not minutes a picture, and starts at pure noise (trailing)."""
    return TextEditorsConfig(
        start=str(TEXT_TO_IMAGE),
        imagic=ImagicConfig(
            **(SHARED | {"num_steps": 10}),
            spacing="trailing",
            embedding_steps=4,
            embedding_rate=1e-2,
            unet_steps=12,
            unet_rate=1e-4,
            alpha=1.0,
        ),
        plug_and_play=PlugAndPlayConfig(
            **(SHARED | {"text_guidance": 5.0}),
            inversion_steps=50,
            feature_share=0.2,
            feature_block=0,
            feature_resnet=1,
            start_layer=3,
            negative_prompt="",
        ),
        ddpm_noise_space=NoiseSpaceConfig(**(SHARED | {"text_guidance": 3.0}), skip=18),
        masactrl=MasaCtrlConfig(**(SHARED | {"text_guidance": 4.0}), start_step=20, start_layer=0),
        prox_masactrl=ProxMasaCtrlConfig(
            **(SHARED | {"text_guidance": 4.0}), start_step=5, start_layer=0, quantile=0.2
        ),
    )
