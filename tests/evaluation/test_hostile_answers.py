"""Files of answers that anybody may have written: each is read in bounded time, or rejected with a reason."""

import json
import time
from pathlib import Path

import pytest

from evaluation.human_study.answers import Answer, Key, Limits, Submission, check_submissions
from evaluation.human_study.imports import read_submissions
from evaluation.human_study.platforms import score_of
from evaluation.human_study.survey import ANSWERS_FORMAT
from tasks.exports.rating_files import KEY_TEXTS, read_key

ENTRY = dict.fromkeys(KEY_TEXTS, "a") | {"questions": ["R1"]}
KEY: Key = {"study": "s", "pictures": {f"p{number}": ENTRY for number in range(25)}}
OWN = {"format": ANSWERS_FORMAT, "study": "s", "form": "f", "worker": "w", "code": "c"}


def test_a_long_score_costs_no_time() -> None:
    started = time.monotonic()
    text = "4" + " " * 100_000 + "\nx\ny"
    assert score_of(text) == text
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("place", ["worker", "picture", "score"])
def test_half_a_surrogate_pair_rejects_its_file_alone(place: str, tmp_path: Path) -> None:
    answer = {"picture": "p0", "question": "R1", "score": 3}
    own = OWN | {"answers": [answer]}
    (tmp_path / "good.json").write_text(json.dumps(own), encoding="utf-8")
    (answer if place in answer else own)[place] = "\ud800"
    (tmp_path / "bad.json").write_text(json.dumps(own), encoding="utf-8")
    submissions, rejected = read_submissions([tmp_path / "bad.json", tmp_path / "good.json"])
    assert [submission.source for submission in submissions] == ["good.json"]
    assert [(rejection.source, rejection.reason) for rejection in rejected] == [("bad.json", "cut_off_or_damaged")]


def test_a_column_that_is_there_twice_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("rater,picture,R1,R1\na,p0,1,5\n", encoding="utf-8")
    submissions, rejected = read_submissions([tmp_path / "a.csv"])
    assert not submissions
    assert [rejection.reason for rejection in rejected] == ["column_twice"]


def raters(number: int, num_answers: int) -> list[Submission]:
    made = []
    for rater in range(number):
        digits = [rater // 5**place % 5 for place in range(8)]
        scores = [1 + digits[place % 8] for place in range(num_answers)]
        answers = [Answer(picture=f"p{place}", question="R1", score=score) for place, score in enumerate(scores)]
        made.append(Submission(rater=f"r{rater}", source="m.csv", platform="csv", answers=answers))
    return made


@pytest.mark.parametrize(("number", "num_answers"), [(20_000, 1), (1_200, 25)])
def test_many_raters_cost_little_time(number: int, num_answers: int) -> None:
    started = time.monotonic()
    checked = check_submissions(raters(number, num_answers), KEY, Limits(min_same=100))
    assert checked.num_kept == checked.num_rows == number * num_answers
    assert time.monotonic() - started < 5


def test_a_copy_that_lacks_some_answers_is_found() -> None:
    first, second = raters(2, 25)
    part = [Answer(picture=answer.picture, question="R1", score=answer.score) for answer in second.answers[:21]]
    copy = Submission(rater="x", source="c.csv", platform="csv", answers=part)
    checked = check_submissions([first, second, copy], KEY, Limits(min_same=100))
    assert [(rejection.rater, rejection.reason, rejection.num_rows) for rejection in checked.rejected] == [
        ("x", "copied", 21)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[]",
        "null",
        "{}",
        '{"study": "s", "paper": "", "methods": ["m"], "pictures": {"p": {"form": 1}}}',
    ],
)
def test_a_key_that_is_none_is_told_by_its_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"key\.json: this is no"):
        read_key(tmp_path)
