"""Pictures to be rated -> what a platform or a language model is given: one row a picture, no name of a method.

Pictures are named by an address before their file names (`base_url`): platforms show pictures from the web. Answers
come back as R1 to R5 beside the column `picture` (evaluation/human_study/platforms.py).
"""

import csv
import html
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation.human_study.questions import SCALE
from modeling.sheets import safe_cells


@dataclass(frozen=True, kw_only=True)
class Task:
    """One picture for one rater."""

    picture: str
    """Code of the picture."""
    instruction: str
    input_name: str
    """Names of the files of the three pictures."""
    truth_name: str
    edit_name: str
    questions: Mapping[str, str]
    """Name -> wording."""


def task_row(task: Task, base_url: str) -> dict[str, str]:
    """Return a task as the columns that platforms show; every one of them may be seen by raters."""
    places = {"input_url": task.input_name, "truth_url": task.truth_name, "edit_url": task.edit_name}
    row = {"picture": task.picture, "instruction": task.instruction}
    row |= {column: f"{base_url}{name}" for column, name in places.items()}
    return row | {f"{name}_text": text for name, text in task.questions.items()}


def table(tasks: Sequence[Task], base_url: str) -> str:
    """Return the CSV that MTurk and Prolific read: its columns are the layout's placeholders."""
    rows = [task_row(task, base_url) for task in tasks]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(safe_cells(row) for row in rows)
    return text.getvalue()


def label_studio_tasks(tasks: Sequence[Task], base_url: str) -> str:
    """Return Label Studio's JSON of tasks."""
    return json.dumps([{"data": task_row(task, base_url)} for task in tasks], indent=1, ensure_ascii=False) + "\n"


def label_studio_layout(questions: Sequence[str]) -> str:
    """Return Label Studio's labelling interface for these questions."""
    lines = ["<View>", '  <Header value="$instruction"/>']
    for name, title in (("input", "Input"), ("truth", "Ground truth"), ("edit", "Picture to rate")):
        lines += [f'  <Header value="{title}" size="5"/>', f'  <Image name="{name}" value="${name}_url"/>']
    for name in questions:
        lines += [f'  <Header value="${name}_text" size="5"/>']
        lines += [f'  <Rating name="{name}" toName="edit" maxRating="{max(SCALE)}" required="true"/>']
    return "\n".join([*lines, "</View>", ""])


def mturk_layout(questions: Sequence[str], notice: str) -> str:
    """Return MTurk's HTML layout: `${column}` stands for a cell, radio buttons give Answer.R1 and so on."""
    parts = ["<p><b>${instruction}</b></p>"]
    parts += [f"<p>{html.escape(notice)}</p>"] if notice else []
    for name, title in (("input", "Input"), ("truth", "Ground truth"), ("edit", "Picture to rate")):
        picture = f'<img src="${{{name}_url}}" alt="{title}" style="width:100%;max-width:320px">'
        parts.append(f"<figure style='display:inline-block;margin:0 8px 8px 0'>{picture}<br>{title}</figure>")
    for name in questions:
        radios = " ".join(
            f'<label><input type="radio" name="{name}" value="{point}" required> {point} {words}</label>'
            for point, words in SCALE.items()
        )
        parts.append(f"<p>${{{name}_text}}<br>{radios}</p>")
    return "\n".join(parts) + "\n"


def judge_lines(tasks: Sequence[Task], notice: str) -> str:
    """Return JSON lines for a language model: one question about one picture each, with the files to be shown."""
    scale = ", ".join(f"{point} = {words}" for point, words in SCALE.items())
    lines = []
    for task in tasks:
        for name, text in task.questions.items():
            said = [
                "The first picture is the input, the second the ground-truth edited image, the third generated.",
                f"Text instruction: {task.instruction}",
                *([notice] if notice and name == "R3" else []),
                text,
                f"Answer with one whole number: {scale}.",
            ]
            line = {
                "picture": task.picture,
                "question": name,
                "images": [task.input_name, task.truth_name, task.edit_name],
                "prompt": "\n".join(said),
            }
            lines.append(json.dumps(line))  # ASCII, so that no reader takes another separator for the end of a line
    return "".join(f"{line}\n" for line in lines)
