"""Files of answers that anybody may have written: each is read in bounded time, or rejected with a reason."""

import json
import time
from pathlib import Path

import pandas
import pytest

from evaluation.human_study.answers import Answer, Key, Limits, Submission, check_submissions
from evaluation.human_study.imports import read_submissions
from evaluation.human_study.platforms import score_of
from evaluation.human_study.survey import ANSWERS_FORMAT
from evaluation.human_study.table_texts import COLUMNS
from modeling.sheets import safe_cell
from tasks.artifacts.artifact import digest_of
from tasks.exports.rating_files import KEY_TEXTS, read_key
from tasks.pages.study_tables import import_answers

ENTRY = dict.fromkeys(KEY_TEXTS, "a") | {"questions": ["R1"]}
KEY: Key = {"study": "s", "pictures": {f"p{number}": ENTRY for number in range(25)}}
OWN = {"format": ANSWERS_FORMAT, "study": "s", "form": "f", "worker": "w", "code": "c"}


def test_a_long_score_costs_no_time() -> None:
    started = time.process_time()
    text = "4" + " " * 100_000 + "\nx\ny"
    assert score_of(text) == text
    assert time.process_time() - started < 2


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
    started = time.process_time()
    checked = check_submissions(raters(number, num_answers), KEY, Limits(min_same=100))
    assert checked.num_kept == checked.num_rows == number * num_answers
    assert time.process_time() - started < 5


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


def test_a_key_in_which_two_pictures_changed_places_is_refused(tmp_path: Path) -> None:
    pictures = {"p": dict(ENTRY, method="start"), "q": dict(ENTRY, method="editaction")}
    key = {"study": "s", "paper": "", "methods": ["editaction", "start"], "pictures": pictures}
    key["digest"] = digest_of(key)
    (tmp_path / "key.json").write_text(json.dumps(key), encoding="utf-8")
    assert read_key(tmp_path) == key
    key["pictures"] = {"p": pictures["q"], "q": pictures["p"]}
    (tmp_path / "key.json").write_text(json.dumps(key), encoding="utf-8")
    with pytest.raises(ValueError, match=r"key\.json: this key was changed after it was made"):
        read_key(tmp_path)


def test_files_of_a_study_that_nobody_answered_have_their_columns(tmp_path: Path) -> None:
    key = {"study": "s", "paper": "", "methods": ["m"], "pictures": {}}
    counts = import_answers(key, [], [], tmp_path / "tables", Limits(), {})
    assert counts == {"raters": 0, "rows": 0, "kept": 0, "rejected": {}}
    for name, columns in COLUMNS.items():
        assert tuple(pandas.read_csv(tmp_path / "tables" / f"{name}.csv").columns) == columns


@pytest.mark.parametrize(
    ("text", "columns", "reason"),
    [
        ("", {}, "no_answers"),
        ("u,p,a\nw,c,4\n", {"rater": "u", "picture": "p", "R1": "a", "R2": "a"}, "column_twice"),
        ('WorkerId,Input.picture,Answer.R1,Reject\nw,c,4,"too fast"\n', {}, "rejected_on_platform"),
    ],
)
def test_more_files_that_do_not_count_are_named(text: str, columns: dict, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    _, rejected = read_submissions([tmp_path / "a.csv"], columns)
    assert [rejection.reason for rejection in rejected] == [reason]


def test_a_list_of_our_own_files_is_read_as_the_files(tmp_path: Path) -> None:
    own = {"format": ANSWERS_FORMAT, "study": "s", "form": "f", "code": "c", "answers": []}
    (tmp_path / "all.json").write_text(json.dumps([own | {"worker": name} for name in ("w1", "w2")]))
    submissions, rejected = read_submissions([tmp_path / "all.json"])
    assert ([submission.rater for submission in submissions], rejected) == (["w1", "w2"], [])


@pytest.mark.parametrize("worker", ["=1+1", "'=1+1", "''=1", "'plain", "＝1", "-x"])
def test_an_id_comes_back_from_a_table_as_the_rater_has_it(worker: str, tmp_path: Path) -> None:
    """The page puts an apostrophe before what a spreadsheet computes; form.js has the same rule."""
    cells = [ANSWERS_FORMAT, "s", "f", safe_cell(worker), "c", "p", "R1", "4"]
    head = "format,study,form,worker,code,picture,question,score"
    (tmp_path / "a.csv").write_text(f"{head}\n{','.join(map(str, cells))}\n", encoding="utf-8")
    (submission,), _ = read_submissions([tmp_path / "a.csv"])
    assert submission.rater == worker
