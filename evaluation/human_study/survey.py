"""Items to be rated -> one static, blinded page per form; and the cost of such a study.

A form is a part of the items. A page contains its pictures, so it works offline and on a phone. It names each picture
by a code only; the meaning of the codes is in the key, which is never part of a page. The page draws the order of the
items, and of the pictures of an item, from the rater's id.
"""

import base64
import hashlib
import hmac
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from evaluation.human_study.questions import CONTROLS, SCALE

HERE = Path(__file__).resolve().parent / "templates"
ANSWERS_FORMAT = "rated-pictures-1"
"""Written into every file of answers of our page, to recognise these files."""
_NORMAL_975, _NORMAL_80 = 1.959963984540054, 0.8416212335729143
"""Quantiles of the standard normal distribution: a two-sided test at 5 %, found in 80 of 100 studies."""


@dataclass(frozen=True, kw_only=True)
class RatedPicture:
    """One picture to be rated."""

    code: str
    """The code by which a page names it."""
    file: bytes
    """PNG or JPEG, encoded in the same way for all pictures of a study."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """A pair with the edits that are rated side by side."""

    code: str
    """The code by which a page names the pair."""
    instruction: str
    """Shown above the pictures."""
    source_file: bytes
    """The input."""
    truth_file: bytes
    """The ground truth."""
    questions: Mapping[str, str]
    """Name -> wording for this pair."""
    pictures: Sequence[RatedPicture]
    """Edits and controls."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """The items of one rater: one page."""

    study: str
    """Code of the study."""
    name: str
    """Code of the form, such as form-03."""
    title: str
    """Heading of the page."""
    notice: str
    """Notice for raters; "" for none."""
    items: Sequence[Item]
    """Items in the order of the key; the page draws an order of its own."""
    platform_code: str = ""
    """A completion code that the platform wants to see at the end; "" shows the page's own alone."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The cost of a study, and the smallest difference that it can show."""

    num_items: int
    num_methods: int
    num_forms: int
    num_raters: int
    """Number of people needed, each for one form."""
    answers_a_rater: int
    minutes_a_rater: float
    hours_in_all: float
    half_width: float
    """Half of the 95 % interval of a difference of two methods, in points."""
    smallest_difference: float
    """Difference of two methods, in points, that such a study finds in 80 of 100 cases."""


def code_of(secret: str, *parts: str) -> str:
    """Return the code of a name: 12 hex digits that nobody can compute without the secret."""
    return hmac.new(secret.encode(), "\x1f".join(parts).encode(), hashlib.sha256).hexdigest()[:12]


def parts_of_equal_size(num_items: int, most: int) -> list[range]:
    """Divide items into as few forms of at most `most` as possible, whose sizes differ by one at most.

    >>> [len(part) for part in parts_of_equal_size(10, 4)]
    [4, 3, 3]
    """
    if most < 1:
        raise ValueError(f"A form has at least one item; items_per_form is {most}.")
    num_forms = math.ceil(num_items / most)
    bounds = [math.ceil(num_items * place / num_forms) for place in range(num_forms + 1)] if num_forms else [0]
    return [range(first, last) for first, last in pairwise(bounds)]


def plan_study(
    *,
    num_items: int,
    num_methods: int,
    num_questions: int,
    items_per_form: int,
    num_controls: int,
    raters_per_item: int,
    seconds_per_answer: float = 6.0,
    std: float = 1.2,
    shared: float = 0.5,
) -> Plan:
    """Count raters and minutes, and compute the difference of two methods that such a study would find.

    `std`: standard deviation, in points, of one rater's difference between two methods on one item; 1.2 is what
    studies on this scale report. `shared`: the part of its variance that is the item's own, which more raters cannot
    take away. Var(mean difference) = std^2 (shared + (1 - shared) / raters) / items.
    """
    if min(num_items, num_methods, num_questions, raters_per_item) < 1:
        raise ValueError("A study needs at least one item, one method, one question and one rater an item.")
    parts = parts_of_equal_size(num_items, items_per_form)
    largest = max(map(len, parts))
    answers = (largest * num_methods + num_controls) * num_questions
    num_raters = len(parts) * raters_per_item
    minutes = answers * seconds_per_answer / 60
    error = std * math.sqrt((shared + (1 - shared) / raters_per_item) / num_items)
    return Plan(
        num_items=num_items,
        num_methods=num_methods,
        num_forms=len(parts),
        num_raters=num_raters,
        answers_a_rater=answers,
        minutes_a_rater=minutes,
        hours_in_all=num_raters * minutes / 60,
        half_width=_NORMAL_975 * error,
        smallest_difference=(_NORMAL_975 + _NORMAL_80) * error,
    )


def data_address(file: bytes) -> str:
    """Return a picture as the address that a page holds instead of a file."""
    kind = "png" if file.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file).decode()}"


def control_places(num_items: int, num_controls: int) -> dict[int, str]:
    """Return place of an item -> kind of the control that is shown among its edits; spread over the form.

    >>> control_places(10, 3)
    {1: 'truth', 5: 'copy', 8: 'other'}
    """
    if not 0 <= num_controls <= num_items:
        raise ValueError(f"{num_controls} controls do not fit into a form of {num_items} items: at most one an item.")
    places = [int((number + 0.5) * num_items / num_controls) for number in range(num_controls)]
    return dict(zip(places, list(CONTROLS) * math.ceil(num_controls / len(CONTROLS)), strict=False))


def render_form(form: Form) -> str:
    """Return a form as one HTML page: style, script and pictures inside, no name of any method."""
    if not form.items:
        raise ValueError(f"{form.name} has no items.")
    content = {
        "format": ANSWERS_FORMAT,
        "study": form.study,
        "form": form.name,
        "platformCode": form.platform_code,
        "scale": [[point, words] for point, words in SCALE.items()],
        "items": [
            {
                "code": item.code,
                "instruction": item.instruction,
                "input": data_address(item.source_file),
                "truth": data_address(item.truth_file),
                "questions": [{"name": name, "text": text} for name, text in item.questions.items()],
                "pictures": [{"code": picture.code, "src": data_address(picture.file)} for picture in item.pictures],
            }
            for item in form.items
        ],
    }
    made = Environment(loader=FileSystemLoader(HERE), undefined=StrictUndefined, autoescape=True)
    # "<" cannot end the script element early: as an escape it is the same JSON.
    plain = json.dumps(content, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
    return made.get_template("form.html.j2").render(
        form=form,
        style=Markup((HERE / "form.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "form.js").read_text(encoding="utf-8")),
        content=Markup(plain.replace("\u2029", "\\u2029")),
    )


def completion_code(study: str, form: str, worker: str, answers: Mapping[tuple[str, str], int]) -> str:
    """Return the code that a page shows at its end: FNV-1a of 64 bits over the answers, (picture, question) -> score.

    The page computes the same code, so a later change of the answers is detected.
    """
    lines = [f"{picture} {question} {score}" for (picture, question), score in sorted(answers.items())]
    value = 0xCBF29CE484222325
    for byte in "\n".join([study, form, worker, *lines]).encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    text = f"{value:016X}"[:12]
    return f"{text[:4]}-{text[4:8]}-{text[8:]}"
