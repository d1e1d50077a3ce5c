"""The forgetting table: which static edits each editor still carries out, and which ones it forgot."""

from evaluation.pages.forgetting_table import forgetting_table


def _records(num_right, num_scenes=20, kept=True):
    return [
        {"scene_id": f"s{number:02d}", "group": f"s{number:02d}", "carried_out": number < num_right, "kept": kept}
        for number in range(num_scenes)
    ]


ASKED = {"start": [_records(20)], "finetuned": [_records(8), _records(10)], "editaction": [_records(16), _records(18)]}


def test_what_an_editor_forgot_is_what_the_start_carried_out_and_it_does_not():
    table = forgetting_table(ASKED, {"start": "untouched start", "editaction": "EditAction"})
    rows = {name: cells for name, _, cells in table.rows}
    assert list(rows) == ["untouched start", "EditAction", "finetuned"]
    assert [cell.value for cell in rows["untouched start"]] == ["100.0 %", "100.0 %", "–"]
    assert [cell.value for cell in rows["finetuned"]] == ["45.0 %", "100.0 %", "+55.0"]
    assert [cell.value for cell in rows["EditAction"]] == ["85.0 %", "100.0 %", "+15.0"]
    assert any(line.startswith("p ") for line in rows["finetuned"][2].details)


def test_scenes_that_one_editor_lacks_are_left_out_for_all():
    lacking = _records(8)[:15]
    unjudged = [row | {"kept": None} if row["scene_id"] == "s00" else row for row in _records(16)]
    table = forgetting_table({"start": [_records(20)], "a": [lacking], "b": [unjudged]}, {})
    assert table.title == "What was forgotten: 14 static edits"
    assert {name: cells[0].value for name, _, cells in table.rows} == {
        "start": "100.0 %",
        "a": "50.0 %",
        "b": "100.0 %",
    }


def test_there_is_no_table_of_nothing():
    assert forgetting_table({}, {}) is None
    assert forgetting_table({"start": [_records(0, 0)]}, {}) is None
