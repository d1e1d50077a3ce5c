"""Files of answers, of our page and of four platforms: which answers count, and the reasons for broken and cheating
ones.
"""

import csv
import json
from dataclasses import replace

import pytest

from evaluation.human_study.answers import Answer, Limits, check_submissions
from evaluation.human_study.imports import read_file, read_judges, read_submissions
from evaluation.human_study.platforms import NotReadable
from evaluation.human_study.survey import completion_code
from tests.support.rated_study import answers_by, attentive, submission, write_own

QUESTIONS = ["R1", "R2", "R3", "R4"]


def drawn_key():
    """Return a key of two forms with three items each, two methods and the three controls."""
    pictures = {}
    for number in range(6):
        kinds = [("edit", "editaction"), ("edit", "start"), (("truth", "copy", "other")[number % 3], "")]
        for kind, method in kinds:
            pictures[f"{number}{kind[:2]}{method[:2]}"] = {
                "item": f"i{number}",
                "form": f"form-0{1 + number // 3}",
                "segment_id": f"v{number % 2}-{number:06d}",
                "video_id": f"v{number % 2}",
                "split": "test6",
                "instruction": "open fridge",
                "kind": kind,
                "method": method,
                "questions": QUESTIONS,
            }
    return {"study": "s1", "methods": ["editaction", "start"], "pictures": pictures, "paper": ""}


KEY = drawn_key()


def checked(*submissions, **limits):
    result = check_submissions(submissions, KEY, Limits(**limits))
    assert result.num_rows == result.num_kept + sum(rejection.num_rows for rejection in result.rejected)
    return result


def reasons(result):
    return [rejection.reason for rejection in result.rejected]


def test_an_attentive_rater_counts_with_every_answer():
    result = checked(submission(KEY))
    assert (result.num_kept, reasons(result)) == (36, [])


def same(picture, question):
    return 4


def careless(picture, question):
    return 3 + len(picture["segment_id"]) % 2 + (question == "R1")


def test_each_way_to_cheat_or_to_break_off_has_its_reason():
    whole = answers_by(KEY, "form-01")
    swapped = [replace(answer, score=6 - answer.score) for answer in whole]
    cases = {
        "always_the_same": submission(KEY, answers=answers_by(KEY, "form-01", same)),
        "failed_controls": submission(KEY, answers=swapped),
        "too_fast": submission(KEY, answers=[replace(answer, seconds=0.2) for answer in whole]),
        "incomplete": submission(KEY, answers=whole[:20]),
        "answers_changed": replace(
            submission(KEY), answers=[replace(whole[0], score=1 + whole[0].score % 5), *whole[1:]]
        ),
        "another_study": submission(KEY, study="s2"),
        "no_answers": submission(KEY, answers=[]),
    }
    for reason, case in cases.items():
        assert reasons(checked(case)) == [reason]


def test_a_rater_who_hands_in_twice_and_one_who_copies_another_count_once():
    first = submission(KEY)
    assert reasons(checked(first, replace(first, source="w1.csv"))) == ["same_rater_twice"]
    copier = submission(KEY, rater="w2")
    assert reasons(checked(first, copier)) == ["copied"]
    given = answers_by(KEY, "form-01")
    for num_changed, expected in ((1, ["copied"]), (2, [])):
        changed = [replace(answer, score=1 + answer.score % 5) for answer in given[:num_changed]]
        assert (
            reasons(checked(first, submission(KEY, rater="w2", answers=[*changed, *given[num_changed:]]))) == expected
        )
    other = submission(KEY, rater="w2", answers=answers_by(KEY, "form-01", attentive, number=1))
    assert reasons(checked(first, other)) == []
    assert reasons(checked(first, submission(KEY, form="form-02"))) == []


def test_rows_that_are_no_answers_are_left_out_one_by_one():
    whole = answers_by(KEY, "form-01")
    wrong = [
        Answer(picture="unknown", question="R1", score=3),
        Answer(picture=whole[0].picture, question="R5", score=3),
        replace(whole[0], score=6),
        replace(whole[0], score=2.5),
        replace(whole[0], score=True),
        whole[1],
    ]
    result = checked(submission(KEY, answers=[*whole[1:], *wrong], code=""))
    assert sorted(reasons(result)) == ["answered_twice", "not_on_the_scale", "question_not_asked", "unknown_picture"]
    assert result.num_kept == 35


def test_our_json_and_our_csv_are_read_alike(tmp_path):
    given = submission(KEY, rater='-ü,"1')
    (json_found,), _ = read_file(write_own(tmp_path / "a.json", given))
    columns = ["format", "study", "form", "worker", "code", "picture", "question", "score", "seconds", "item", "shown"]
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(columns)
        for answer in given.answers:
            names = [
                json.loads((tmp_path / "a.json").read_text())["format"],
                "s1",
                "form-01",
                "'" + given.rater,
                given.code,
            ]
            writer.writerow([*names, answer.picture, answer.question, answer.score, answer.seconds, 1, 1])
    (csv_found,), _ = read_file(tmp_path / "a.csv")
    assert replace(json_found, source="") == replace(csv_found, source="") == replace(given, source="")


def break_up(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("cut_off_or_damaged", lambda text: text[: len(text) // 2]),
        ("cut_off_or_damaged", lambda text: b"[" * 100_000),
        ("fields_missing", lambda text: text.replace(b'"worker"', b'"w"')),
        ("fields_missing", lambda text: text.replace(b'"score"', b'"points"')),
        ("unknown_format", lambda text: text.replace(b"rated-pictures-1", b"something")),
        ("not_utf8", lambda text: b"\xff\xfe\x00"),
        ("no_answers", lambda text: b"a,b\r\n"),
        ("unknown_format", lambda text: b"a,b\r\n1,2\r\n"),
        ("cut_off_or_damaged", lambda text: b'rater,picture,R1\r\nw,"p'),
        ("cut_off_or_damaged", lambda text: b"rater,picture,R1\r\nw,p,1,2,3\r\n"),
        ("unknown_format", lambda text: b"[]"),
    ],
)
def test_a_file_that_is_no_file_of_answers_is_named_with_its_reason(tmp_path, reason, change):
    path = write_own(tmp_path / "a.json", submission(KEY))
    broken = break_up(tmp_path / "b.json", change(path.read_bytes()))
    submissions, rejected = read_submissions([path, broken, tmp_path / "none.json"])
    assert len(submissions) == 1
    assert [(rejection.source, rejection.reason) for rejection in rejected] == [
        ("b.json", reason),
        ("none.json", "no_such_file"),
    ]


def write_table(path, rows):
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


def wide(form="form-01"):
    """Return picture -> question -> score of an attentive rater."""
    table = {}
    for answer in answers_by(KEY, form):
        table.setdefault(answer.picture, {})[answer.question] = answer.score
    return table


def scores_of(given):
    return {(answer.picture, answer.question): answer.score for answer in given.answers}


EXPECTED = {(answer.picture, answer.question): answer.score for answer in answers_by(KEY, "form-01")}


def mturk_rows(style):
    rows = []
    for number, (picture, scores) in enumerate(wide().items()):
        row = {"HITId": f"h{number}", "WorkerId": "A1", "AssignmentStatus": "Approved", "WorkTimeInSeconds": "40"}
        row |= {"Input.picture": picture, "Input.instruction": "open fridge"}
        if style == "plain":
            row |= {f"Answer.{name}": score for name, score in scores.items()}
        elif style == "booleans":
            row |= {
                f"Answer.{name}.{point}": str(point == score).lower()
                for name, score in scores.items()
                for point in range(1, 6)
            }
        elif style == "json":
            inside = {name: {str(p): p == score for p in range(1, 6)} for name, score in scores.items()}
            row |= {"Answer.taskAnswers": json.dumps([inside])}
        else:
            row |= {"Answer.taskAnswers": json.dumps([{name: str(score) for name, score in scores.items()}])}
        rows.append(row)
    return rows


@pytest.mark.parametrize("style", ["plain", "booleans", "json", "json of texts"])
def test_mturks_three_ways_to_write_an_answer_are_read_alike(tmp_path, style):
    rows = mturk_rows(style)
    spoilt = rows[0] | {"WorkerId": "A2", "AssignmentStatus": "Rejected"}
    (given,), rejected = read_file(write_table(tmp_path / "m.csv", [*rows, spoilt]))
    assert (given.rater, given.platform, scores_of(given)) == ("A1", "mturk", EXPECTED)
    assert {answer.seconds for answer in given.answers} == {10.0}
    assert [(rejection.rater, rejection.reason, rejection.num_rows) for rejection in rejected] == [
        ("A2", "rejected_on_platform", 4)
    ]
    assert checked(given).num_kept == 36


LONG = "rater,picture,question,score\n"


@pytest.mark.parametrize(
    ("text", "kept", "reasons"),
    [
        ("a,{0},r1,4\na,{0},R9,5\na,{0}, R2 ,3\n", 2, {"question_not_asked": 1}),
        ("a,{0},R1,4\na,{0},R2,4 5\n", 1, {"not_on_the_scale": 1}),
        ("a,{0},R1,\na,{0},R2,3\n", 1, {}),
    ],
)
def test_every_row_of_a_long_table_counts_or_has_a_reason(tmp_path, text, kept, reasons):
    path = tmp_path / "long.csv"
    path.write_text(LONG + text.format(next(iter(wide()))))
    (given,), _ = read_file(path)
    result = checked(given)
    assert result.num_kept == kept
    assert {rejection.reason: rejection.num_rows for rejection in result.rejected} == reasons


def test_two_options_of_one_question_are_no_score(tmp_path):
    row = mturk_rows("booleans")[0]
    both = {name: "true" for name in row if name.endswith((".2", ".5")) and name.startswith("Answer.R1")}
    (given,), _ = read_file(write_table(tmp_path / "m.csv", [row | both]))
    assert {rejection.reason: rejection.num_rows for rejection in checked(given).rejected} == {"not_on_the_scale": 1}


@pytest.mark.parametrize("status", ["REJECTED", "RETURNED", "TIMED-OUT", "APPROVED", "AWAITING REVIEW"])
def test_what_prolific_did_not_accept_does_not_count(tmp_path, status):
    rows = [
        {"Participant id": "x", "picture": picture, **scores, "Status": status} for picture, scores in wide().items()
    ]
    submissions, rejected = read_file(write_table(tmp_path / "p.csv", rows))
    assert [accepted.rater for accepted in submissions] == (["x"] if status in ("APPROVED", "AWAITING REVIEW") else [])
    assert sum(rejection.num_rows for rejection in rejected) == (0 if submissions else 36)
    assert {rejection.reason for rejection in rejected} <= {"rejected_on_platform"}


def test_a_spreadsheet_s_line_about_its_separator_is_no_header(tmp_path):
    path = tmp_path / "sep.csv"
    path.write_text("\ufeffsep=;\n" + f"rater;picture;question;score\na;{next(iter(wide()))};R1;4\n")
    (given,), _ = read_file(path)
    assert checked(given).num_kept == 1


def label_studio_tasks():
    tasks = []
    for number, (picture, scores) in enumerate(wide().items()):
        result = [
            {"from_name": name, "to_name": "edit", "type": "rating", "value": {"rating": score}}
            for name, score in scores.items()
        ]
        annotations = [{"completed_by": 7, "was_cancelled": False, "lead_time": 40.0, "result": result}]
        if number == 0:
            annotations.append({"completed_by": {"id": 8}, "was_cancelled": True, "result": result[:1]})
        tasks.append({"data": {"picture": picture}, "annotations": annotations})
    return tasks


def test_label_studios_json_json_min_and_csv_are_read_alike(tmp_path):
    (tmp_path / "full.json").write_text(json.dumps(label_studio_tasks()))
    flat = [{"picture": p, "annotator": 7, "annotation_id": 1, "lead_time": 40.0} | s for p, s in wide().items()]
    (tmp_path / "min.json").write_text(json.dumps(flat))
    cells = [row | {name: json.dumps([{"rating": row[name]}]) for name in QUESTIONS} for row in flat]
    write_table(tmp_path / "flat.csv", cells)
    for name in ("full.json", "min.json", "flat.csv"):
        (given,), rejected = read_file(tmp_path / name)
        assert (given.rater, given.platform, scores_of(given)) == ("7", "label-studio", EXPECTED)
        assert [rejection.reason for rejection in rejected] == ["rejected_on_platform"] * (name == "full.json")


def test_prolific_names_the_participant_in_any_of_its_ways(tmp_path):
    for name in ("Participant id", "participant_id", "PROLIFIC_PID"):
        rows = [{name: "5f", "picture": p, "instruction": "open fridge"} | s for p, s in wide().items()]
        (given,), _ = read_file(write_table(tmp_path / "p.csv", rows))
        assert (given.rater, given.platform, scores_of(given)) == ("5f", "prolific", EXPECTED)


def test_any_csv_is_read_through_a_map_of_columns_long_or_wide(tmp_path):
    long = [{"user": "u", "img": p, "q": q, "points": f"{s} - so so"} for (p, q), s in EXPECTED.items()]
    columns = {"rater": "user", "picture": "img", "question": "q", "score": "points"}
    (given,), _ = read_file(write_table(tmp_path / "l.csv", long), columns)
    assert (given.rater, given.platform, scores_of(given)) == ("u", "csv", EXPECTED)
    table = [{"user": "u", "img": p, **{f"answer {n}": v for n, v in s.items()}} for p, s in wide().items()]
    columns = {"rater": "user", "picture": "img"} | {name: f"answer {name}" for name in QUESTIONS}
    (given,), _ = read_file(write_table(tmp_path / "w.csv", table), columns)
    assert scores_of(given) == EXPECTED
    with pytest.raises(NotReadable, match="no column 'nobody'"):
        read_file(tmp_path / "w.csv", {"rater": "nobody"})


def test_several_pictures_of_one_task_are_told_apart_by_their_slots(tmp_path):
    table = wide()
    (one, two) = list(table)[:2]
    row = {"WorkerId": "A1", "Input.picture_A": one, "Input.picture_B": two}
    row |= {f"Answer.{name}_A": score for name, score in table[one].items()}
    row |= {f"Answer.{name}_B": score for name, score in table[two].items()}
    (given,), _ = read_file(write_table(tmp_path / "m.csv", [row]))
    assert scores_of(given) == {place: score for place, score in EXPECTED.items() if place[0] in (one, two)}


def test_a_model_without_a_revision_is_no_judge(tmp_path):
    rows = [
        {"rater": rater, "picture": p, "question": q, "score": s}
        for rater in ("m@abc1", "m")
        for (p, q), s in EXPECTED.items()
    ]
    judges, rejected = read_judges([write_table(tmp_path / "j.csv", rows)])
    assert [(judge.rater, judge.platform) for judge in judges] == [("m@abc1", "judge")]
    assert [(rejection.rater, rejection.reason, rejection.num_rows) for rejection in rejected] == [
        ("m", "no_revision", 36)
    ]


def test_the_code_of_a_changed_answer_does_not_fit():
    given = submission(KEY)
    assert given.code == completion_code("s1", "form-01", "w1", scores_of(given))
