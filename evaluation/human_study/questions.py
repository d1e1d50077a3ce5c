"""The questions R1 to R5 in the paper's words, the notice for head cameras, the scale, the controls.

Source: Trusca, Li, Moens (EditAction), section 4.3 and Table 2. The paper does not state its scale: its values (1.23 to
4.75) fit 1 to 5, so 1 to 5 is asked here, with words at every point.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Camera = Literal["fixed", "head"]
"""fixed: LC, a camera on the wall. head: HC, a camera on the head, which moves with it."""

TEMPLATES: Mapping[str, str] = {
    "R1": "Given the input image, evaluate how well the generated edited image reflects the action <action> described "
    "in the text instruction, regardless of the ground-truth edited image.",
    "R2": "Evaluate how similar the generated edited image is to the ground-truth edited image.",
    "R3": "Evaluate how well the generated edited image preserves the environment and the objects observed in the "
    "input image.",
    "R4": "Score how well the position or posture of the object <object> targeted by the action <action> is "
    "implemented while the properties of the object are preserved.",
    "R5": "Imagine you are wearing a head camera, and the input image shows what you see before performing the action "
    "<action>. Evaluate, how well the generated image portrays what you should see after completing the action.",
}
"""The paper's requirements, word for word."""

MEANINGS: Mapping[str, str] = {
    "R1": "action carried out",
    "R2": "like the ground truth",
    "R3": "scene preserved",
    "R4": "object's posture",
    "R5": "reasoning",
}
"""Short heading of a column."""

HEAD_CAMERA_NOTICE = (
    "Consider that the generated edited images should simulate a scene observed by a head camera directed towards the "
    "action specified in the text instruction. Therefore, some marginal objects from the input image might not appear "
    "in the generated edited image as long as the action is properly implemented."
)
"""The paper's notice for raters of HC before R3, word for word."""

SCALE: Mapping[int, str] = {1: "not at all", 2: "a little", 3: "partly", 4: "mostly", 5: "completely"}
"""Points of the scale and the words beside them."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """A picture whose right answer is known; shown among the edits to check the rater's attention."""

    title: str
    """Description of the picture."""
    bounds: Mapping[str, tuple[int, int]]
    """Question -> lowest and highest answer that an attentive rater gives."""


CONTROLS: Mapping[str, Control] = {
    "truth": Control(title="the ground truth, shown as an edit", bounds={"R2": (4, 5)}),
    "copy": Control(title="a copy of the input", bounds={"R3": (4, 5)}),
    "other": Control(title="another pair's edit", bounds={"R2": (1, 3), "R3": (1, 3)}),
}
"""The kinds of control. `copy` leaves R1 free: an action may change little that can be seen."""


def questions_for(camera: Camera, *, is_long_distance: bool) -> tuple[str, ...]:
    """Return the questions that the paper asks: R1 to R4 everywhere, R5 alone for HC's long-distance set.

    >>> questions_for("fixed", is_long_distance=True)
    ('R1', 'R2', 'R3', 'R4')
    >>> questions_for("head", is_long_distance=True)
    ('R5',)
    """
    return ("R5",) if camera == "head" and is_long_distance else ("R1", "R2", "R3", "R4")


def check_questions(names: Sequence[str]) -> None:
    """Raise ValueError for an unknown question."""
    unknown = [name for name in names if name not in TEMPLATES]
    if unknown or not names or len(set(names)) != len(names):
        raise ValueError(f"Questions {', '.join(names) or 'none'}: choose of {', '.join(TEMPLATES)}, each once.")


def wording(name: str, *, action: str, target: str) -> str:
    """Return question `name` about one pair. `action`: verb, else the instruction; `target`: the object, "" if unnamed.

    >>> wording("R4", action="open", target="")[:57]
    'Score how well the position or posture of the object targ'
    """
    text = TEMPLATES[name].replace("<object> ", f"“{target}” " if target else "")
    return text.replace("<action>", f"“{action}”")
