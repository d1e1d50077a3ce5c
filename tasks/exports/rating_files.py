"""Pictures to be rated -> the key of their codes, and the input files for other platforms and language models."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.human_study import exports
from evaluation.human_study.questions import HEAD_CAMERA_NOTICE
from modeling.atomic import write_bytes, write_json
from modeling.json_text import read_json
from tasks.artifacts.artifact import Record, digest_of
from tasks.artifacts.work import Work
from tasks.config import SurveyConfig

MAX_KEY_BYTES = 256 << 20
"""Largest size of a survey's key."""
KEY_TEXTS = ("segment_id", "video_id", "split", "method", "kind", "form")
"""Columns of the key for every picture, as texts; its questions come beside them."""


def notice_of(config: SurveyConfig) -> str:
    """Return the notice for raters of a head camera's pictures."""
    return HEAD_CAMERA_NOTICE if config.camera == "head" else ""


def write_key(work: Work, study: str, kept: Sequence[Record], methods: Sequence[str], config: SurveyConfig) -> None:
    """Write the key: the meaning of the codes."""
    pictures = {
        row["picture"]: {name: value for name, value in row.items() if name not in ("picture", "questions")}
        | {"questions": list(row["questions"])}
        for row in kept
    }
    if len(pictures) != len(kept):
        raise ValueError("Two pictures have one code. Choose another survey.seed.")
    content: dict[str, Any] = {"study": study, "methods": list(methods), "camera": config.camera, "paper": config.paper}
    content["pictures"] = pictures
    write_json(work.path / "key.json", content | {"digest": digest_of(content)})


def write_exports(work: Work, kept: Sequence[Record], suffix: str, config: SurveyConfig) -> None:
    """Write the files of other platforms, separately for each split, because all pairs of a split have the same
    questions.
    """
    by_split: dict[str, list[exports.Task]] = defaultdict(list)
    for row in sorted(kept, key=lambda kept_row: hashlib.sha256(kept_row["picture"].encode()).hexdigest()):
        by_split[row["split"]].append(
            exports.Task(
                picture=row["picture"],
                instruction=row["instruction"],
                input_name=f"pictures/{row['item']}-input.{suffix}",
                truth_name=f"pictures/{row['item']}-truth.{suffix}",
                edit_name=f"pictures/{row['picture']}.{suffix}",
                questions=row["questions"],
            )
        )
    judge = []
    for split, tasks in by_split.items():
        names, notice = list(tasks[0].questions), notice_of(config) if "R3" in tasks[0].questions else ""
        files = {
            f"mturk-{split}.csv": exports.table(tasks, config.base_url),
            f"mturk-{split}.html": exports.mturk_layout(names, notice),
            f"prolific-{split}.csv": exports.table(tasks, config.base_url),
            f"label-studio-{split}.json": exports.label_studio_tasks(tasks, config.base_url),
            f"label-studio-{split}.xml": exports.label_studio_layout(names),
        }
        for name, text in files.items():
            write_bytes(work.path / "publish" / name, text.encode())
        judge.append(exports.judge_lines(tasks, notice))
    write_bytes(work.path / "publish" / "judge.jsonl", "".join(judge).encode())


def read_key(folder: Path) -> Record:
    """Read the key of a survey's folder; ValueError when there is none."""
    path = folder / "key.json"
    if not path.is_file():
        raise ValueError(f"{path}: there is no key. Name the folder of a survey artifact with --survey.")
    content = read_json(path, at_most=MAX_KEY_BYTES)
    if not _is_key(content):
        raise ValueError(f"{path}: this is no key of a survey. Name the folder of a survey artifact with --survey.")
    if content.get("digest") != digest_of({name: value for name, value in content.items() if name != "digest"}):
        raise ValueError(
            f"{path}: this key was changed after it was made, so nobody knows which method a picture is of. Take the "
            "key.json of the survey's own folder; `editaction survey` with the same settings writes the same key again."
        )
    return dict(content)


def _is_key(content: Any) -> bool:
    if not isinstance(content, dict) or not all(isinstance(content.get(name), str) for name in ("study", "paper")):
        return False
    methods, pictures = content.get("methods"), content.get("pictures")
    has_methods = isinstance(methods, list) and bool(methods) and all(isinstance(name, str) for name in methods)
    return has_methods and isinstance(pictures, dict) and all(map(_is_entry, pictures.values()))


def _is_entry(entry: object) -> bool:
    """Tell whether a value is what the key says of one picture."""
    if not isinstance(entry, dict) or not isinstance(entry.get("questions"), list):
        return False
    return all(isinstance(entry.get(name), str) for name in KEY_TEXTS)
