"""The survey's stage: what its pages show and hide, its key, its files for platforms, and the tables of its answers."""

import base64
import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from evaluation.human_study.answers import Limits
from tasks.pages.study_tables import import_answers, study_results
from tasks.survey import survey
from tests.support.drawn_run import DrawnEdits, DrawnKitchen, draw_run, edits, shards
from tests.support.rated_study import CONFIG, answers_by, attentive, draw_survey, read_key, submission, write_own


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return draw_survey(tmp_path_factory.mktemp("survey"))


def content_of(page):
    text = page.read_text(encoding="utf-8")
    return text, json.loads(re.search(r'id="content">(.*?)</script>', text, re.DOTALL)[1])


def test_a_page_names_no_method_no_segment_and_no_network(made):
    key = read_key(made.path)
    published = [path for path in (made.path / "publish").rglob("*") if path.is_file()]
    assert {path.suffix for path in published} == {".html", ".png", ".csv", ".json", ".xml", ".jsonl"}
    hidden = ["editaction", "untouched", "truth,", "control", "copy of the input"]
    hidden += [row["segment_id"] for row in key["pictures"].values()]
    for path in published:
        if path.suffix != ".png":
            text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", path.read_text(encoding="utf-8")).lower()
            assert not [word for word in hidden if word in text], path
            assert not re.search(r"(src|href)=.?https?:", text)
        assert not [word for word in hidden if word in path.name]
    assert not (made.path / "publish" / "key.json").exists()


def test_every_picture_is_of_one_size_and_make_and_is_what_the_key_says(made):
    key = read_key(made.path)
    shown = {}
    for form in ("form-01", "form-02"):
        _, content = content_of(made.path / "publish" / f"{form}.html")
        for item in content["items"]:
            addresses = [item["input"], item["truth"], *(picture["src"] for picture in item["pictures"])]
            pictures = [Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))) for address in addresses]
            assert {(picture.format, picture.size) for picture in pictures} == {("PNG", (48, 48))}
            assert not any(picture.info for picture in pictures)
            arrays = [np.asarray(picture) for picture in pictures]
            for picture, pixels in zip(item["pictures"], arrays[2:], strict=True):
                known = key["pictures"][picture["code"]]
                shown[picture["code"]] = known
                assert (known["form"], known["item"]) == (form, item["code"])
                if known["kind"] in ("truth", "copy"):
                    assert np.array_equal(pixels, arrays[1 if known["kind"] == "truth" else 0])
                if known["kind"] == "other":
                    assert not np.array_equal(pixels, arrays[1])
    assert shown.keys() == key["pictures"].keys()
    kinds = [picture["kind"] for picture in shown.values()]
    assert [kinds.count(kind) for kind in ("edit", "truth", "copy", "other")] == [12, 2, 2, 2]


def test_the_order_of_the_pictures_in_a_page_tells_nothing(made):
    _, content = content_of(made.path / "publish" / "form-01.html")
    for item in content["items"]:
        codes = [picture["code"] for picture in item["pictures"]]
        assert codes == sorted(codes)


def test_pairs_that_are_not_rated_are_counted_with_their_reason(made, tmp_path):
    assert made.manifest["counts"] == {"input": 8, "kept": 6, "filtered": {"beyond_num_items": 2}, "failed": {}}
    run = draw_run(tmp_path, DrawnKitchen(num_train=3, num_test=8, split="test8"))
    left_out = next(row["segment_id"] for row in run.shards.records() if row["split"] == "test8")
    short = edits.run(tmp_path, "drawn-short", DrawnEdits(left_out=left_out), shards=run.shards.path)
    few = survey.run(
        tmp_path,
        "drawn",
        CONFIG,
        shards=run.shards.path,
        edits_a=short.path,
        **{"edits_b": run.edits["edits_start"].path},
    )
    assert few.manifest["counts"]["filtered"] == {"beyond_num_items": 1, "not_edited_by_all": 1}
    none = edits.run(tmp_path, "drawn-none", DrawnEdits(seeds=()), shards=run.shards.path)
    with pytest.raises(ValueError, match="none was edited by all"):
        survey.run(tmp_path, "drawn", CONFIG, shards=run.shards.path, edits_a=none.path)


def test_a_markup_instruction_is_shown_as_text(tmp_path):
    odd = "</script><script>alert(1)</script>=1+1"
    pairs = shards.run(
        tmp_path, "drawn", DrawnKitchen(num_train=1, num_test=3, num_overlapping=0, split="test3", instruction=odd)
    )
    made_up = edits.run(tmp_path, "drawn-a", DrawnEdits(), shards=pairs.path)
    page = (
        survey.run(tmp_path, "drawn", CONFIG, shards=pairs.path, edits_a=made_up.path).path / "publish" / "form-01.html"
    )
    text, content = content_of(page)
    assert content["items"][0]["instruction"] == odd
    assert text.count("<script") == 2


def test_a_long_distance_set_of_a_head_camera_is_asked_about_by_r5_alone(tmp_path):
    pairs = shards.run(tmp_path, "drawn", DrawnKitchen(num_train=1, num_test=4, num_overlapping=0, split="long4"))
    made_up = edits.run(tmp_path, "drawn-a", DrawnEdits(), shards=pairs.path)
    config = replace(CONFIG, questions=())
    key = read_key(survey.run(tmp_path, "drawn", config, shards=pairs.path, edits_a=made_up.path).path)
    assert {tuple(picture["questions"]) for picture in key["pictures"].values()} == {("R5",)}


def test_platforms_get_the_columns_that_their_answers_are_read_by(made):
    folder = made.path / "publish"
    for name in ("mturk-test8.csv", "prolific-test8.csv"):
        rows = list(csv.DictReader((folder / name).open(newline="", encoding="utf-8")))
        assert len(rows) == 18
        assert {row["picture"] for row in rows} == read_key(made.path)["pictures"].keys()
        assert all(
            (folder / row[column]).is_file() for row in rows for column in ("input_url", "truth_url", "edit_url")
        )
    layout = (folder / "mturk-test8.html").read_text()
    assert set(re.findall(r"\$\{(\w+)\}", layout)) == set(rows[0]) - {"picture"}
    tasks = json.loads((folder / "label-studio-test8.json").read_text())
    assert re.findall(r'<Rating name="(R\d)"', (folder / "label-studio-test8.xml").read_text()) == [
        "R1",
        "R2",
        "R3",
        "R4",
    ]
    assert len(tasks) == 18
    lines = [json.loads(line) for line in (folder / "judge.jsonl").read_text().splitlines()]
    assert len(lines) == 18 * 4
    assert all((folder / name).is_file() for line in lines for name in line["images"])
    assert sum("head camera" in line["prompt"] for line in lines) == 18


def two_by_two(made, folder):
    """Write the answers of three attentive raters for each form."""
    key, files = read_key(made.path), []
    for form in ("form-01", "form-02"):
        for number in range(3):
            given = submission(key, f"w{number}", form, answers_by(key, form, attentive, number=number))
            files.append(write_own(folder / f"{form}-{number}.json", given))
    return key, files


def test_answers_become_table_2_with_agreement_and_tests_and_every_reject(made, tmp_path):
    key, files = two_by_two(made, tmp_path)
    broken = tmp_path / "broken.json"
    broken.write_bytes(files[0].read_bytes()[:100])
    counts = import_answers(key, [*files, broken], [], tmp_path / "out", Limits(), {})
    assert counts == {"raters": 3, "rows": 216, "kept": 216, "rejected": {"cut_off_or_damaged": 1}}
    rows = list(csv.DictReader((tmp_path / "out" / "scores.csv").open(newline="", encoding="utf-8")))
    assert [(row["question"][:2], row["method"]) for row in rows[:2]] == [
        ("R1", "EditAction"),
        ("R1", "untouched start"),
    ]
    ours, theirs = rows[0], rows[1]
    expected = [
        a.score
        for f in ("form-01", "form-02")
        for n in range(3)
        for a in answers_by(key, f, attentive, number=n)
        if key["pictures"][a.picture]["method"] == "editaction" and a.question == "R1"
    ]
    assert ours["mean"] == f"{np.mean(expected):.2f}"
    assert float(theirs["EditAction minus this"]) == pytest.approx(
        float(ours["mean"]) - float(theirs["mean"]), abs=0.011
    )
    assert theirs["p (Holm)"] == theirs["p (Wilcoxon)"]
    (first, second) = csv.DictReader((tmp_path / "out" / "table2.csv").open(newline="", encoding="utf-8"))
    assert first["test8 R1"] == f"{ours['mean']} [{ours['95 % interval'].replace(' to ', ', ')}]"
    assert second["method"] == "untouched start"
    tex = (tmp_path / "out" / "table2.tex").read_text()
    assert tex.count(r"\\") == 3
    assert f"EditAction & {ours['mean']}" in tex
    long = list(csv.DictReader((tmp_path / "out" / "answers.csv").open(newline="", encoding="utf-8")))
    assert len(long) == 216
    page = (tmp_path / "out" / "table2.html").read_text()
    assert "cut_off_or_damaged" in page
    assert "<script" not in page


def test_a_judge_is_shown_beside_its_agreement_with_people_or_not_at_all(made, tmp_path):
    key, files = two_by_two(made, tmp_path)
    judge = tmp_path / "judge.csv"
    with judge.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["rater", "picture", "question", "score"])
        for answer in [a for form in ("form-01", "form-02") for a in answers_by(key, form)]:
            writer.writerow(["model@1a2b", answer.picture, answer.question, answer.score])
    with_people = study_results(key, files, [judge], Limits(), {})
    assert {column.num_common for column in with_people.judges} == {12}
    assert all(column.pairwise_percent > 90 for column in with_people.judges)
    assert all(set(column.people) == {"editaction", "start"} for column in with_people.judges)
    assert not [vote for column in with_people.columns for vote in column.scores.values() if vote.num_raters != 3]
    alone = study_results(key, [], [judge], Limits(), {})
    assert (alone.judges, alone.columns) == ([], [])
    assert alone.silent_judges[0].startswith("model@1a2b is not shown")


def test_names_of_raters_are_data_in_every_table(made, tmp_path):
    key = read_key(made.path)
    odd = '=cmd|"x"<img src=x onerror=alert(1)>'
    given = submission(key, odd, "form-01")
    files = [write_own(tmp_path / "a.json", given), write_own(tmp_path / "b.json", given)]
    import_answers(key, files, [], tmp_path / "out", Limits(), {})
    assert "<img src=x" not in (tmp_path / "out" / "table2.html").read_text()
    for name in ("answers", "rejected"):
        rows = list(csv.DictReader((tmp_path / "out" / f"{name}.csv").open(newline="", encoding="utf-8")))
        assert {row["rater"] for row in rows} == {"'" + odd}


def test_the_papers_values_stand_beside_those_of_its_own_data_sets_alone(made, tmp_path):
    key, files = two_by_two(made, tmp_path)
    results = study_results(key | {"paper": "HC"}, files, [], Limits(), {})
    from evaluation.human_study.tables import score_rows

    assert score_rows(results)[0]["paper"] == "4.28"
    assert score_rows(study_results(key, files, [], Limits(), {}))[0]["paper"] == "–"
