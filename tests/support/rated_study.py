"""A survey of drawn edits in miniature, and raters who answer it by a rule."""

import json
from dataclasses import replace
from pathlib import Path

from evaluation.human_study.answers import Answer, Submission
from evaluation.human_study.survey import ANSWERS_FORMAT, completion_code
from tasks.config import SurveyConfig
from tasks.exports.rating_files import read_key
from tasks.survey import survey
from tests.support.drawn_run import DrawnKitchen, draw_run

CONFIG = SurveyConfig(num_items=6, items_per_form=3, num_controls=3, camera="head", questions=("R1", "R2", "R3", "R4"))


def draw_survey(workspace, config=CONFIG):
    """Make the survey of two methods, `editaction` and `start`, on 8 test pairs; return the artifact."""
    run = draw_run(workspace, DrawnKitchen(num_train=3, num_test=8, split="test8"))
    return survey.run(workspace, "drawn", config, shards=run.shards.path, **{k: e.path for k, e in run.edits.items()})


def attentive(picture, question, number=0):
    """Return the score of a rater who looks at the picture. Raters with different numbers differ a little."""
    kind = picture["kind"]
    if kind == "edit":
        better = 4 if picture["method"] == "editaction" else 2
        return max(1, min(5, better + (number + len(picture["segment_id"]) + ord(picture["segment_id"][-1])) % 3 - 1))
    if kind == "copy":
        return {"R3": 5}.get(question, 1)
    return {"truth": 5, "other": 1}[kind]


def answers_by(key, form, score=attentive, **options):
    """Return all answers of a form."""
    return [
        Answer(picture=code, question=question, score=score(picture, question, **options), seconds=4.0)
        for code, picture in key["pictures"].items()
        if picture["form"] == form
        for question in picture["questions"]
    ]


def submission(key, rater="w1", form="form-01", answers=None, **changes):
    """Return the file that our page makes of a rater's answers."""
    answers = answers_by(key, form) if answers is None else answers
    code = completion_code(key["study"], form, rater, {(a.picture, a.question): a.score for a in answers})
    plain = Submission(
        rater=rater, source=f"{rater}.json", platform="own", answers=answers, study=key["study"], form=form, code=code
    )
    return replace(plain, **changes)


def write_own(path: Path, given: Submission) -> Path:
    """Write a submission as the page's JSON."""
    content = {"format": ANSWERS_FORMAT, "study": given.study, "form": given.form, "worker": given.rater}
    rows = [vars(answer) for answer in given.answers]
    path.write_text(json.dumps(content | {"code": given.code, "answers": rows}), encoding="utf-8")
    return path


__all__ = ["CONFIG", "answers_by", "attentive", "draw_survey", "read_key", "submission", "write_own"]
