"""Instruction -> the two texts of a text-to-image method: a description of the source picture and of the edited one.

The paper does not say which texts its text-to-image baselines got. By default the target text is the unchanged
instruction and the source text is empty, as in the codes of MasaCtrl, Plug-and-Play and DDPM Noise Space.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from modeling.editors.settings import PromptPolicy

TEMPLATE = "a photo after the action: {instruction}"


class CaptionedInstruction(str):
    """An instruction that brings a caption of its source picture."""

    caption: str

    def __new__(cls, instruction: str, caption: str) -> "CaptionedInstruction":
        """Make an instruction with its caption; for all other code it is the plain instruction."""
        made = super().__new__(cls, instruction)
        made.caption = caption
        return made


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """The texts of one edit."""

    source: str
    """Description of the source picture; "" where there is none."""
    target: str
    """Description of the edited picture."""


def prompts_of(instruction: str, policy: PromptPolicy) -> Prompts:
    """Return the texts; ValueError when the policy needs a caption and there is none.

    instruction: ("", c). template: ("", "a photo after the action: c"). caption_plus: (caption, "caption, c").
    """
    if policy == "template":
        return Prompts(source="", target=TEMPLATE.format(instruction=instruction))
    if policy == "instruction":
        return Prompts(source="", target=str(instruction))
    caption = getattr(instruction, "caption", "").strip()
    if not caption:
        raise ValueError(
            f"prompt_policy caption_plus needs a caption of the picture for {instruction!r}: give a file of captions."
        )
    return Prompts(source=caption, target=f"{caption}, {instruction}")


def all_prompts(instructions: Sequence[str], policy: PromptPolicy) -> list[Prompts]:
    """Return the texts of several edits."""
    return [prompts_of(instruction, policy) for instruction in instructions]
