"""A run ends with words that say what it built, what was there already, and how many rows are kept."""

import json

import pytest

from flows.commands.ending import print_answer, print_stages, rows_in_words
from flows.wiring.making import Step


def manifest(kept, filtered=None, failed=None):
    filtered, failed = filtered or {}, failed or {}
    total = kept + sum(filtered.values()) + sum(failed.values())
    return {"counts": {"input": total, "kept": kept, "filtered": filtered, "failed": failed}, "seconds": 1.5}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (manifest(8), "all 8 kept"),
        (manifest(386, {"no_times": 10, "no_text": 2}, {"video_missing": 2}), "386 of 400 kept, 12 filtered, 2 failed"),
        (manifest(0, {}, {"bad": 1}), "0 of 1 kept, 1 failed"),
        (manifest(0), ""),
        (None, ""),
    ],
)
def test_rows_are_told_in_words(given, words):
    assert rows_in_words(given) == words


def step(tmp_path, stage, state="Cached"):
    folder = tmp_path / stage / "demo-12345678"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(manifest(8)))
    return Step(stage=stage, label="demo", state=state, reason="done", expected_s=None, path=str(folder))


def test_what_was_there_before_is_cached_and_the_rest_is_built(tmp_path, capsys):
    steps = [step(tmp_path, "frames"), step(tmp_path, "editor"), step(tmp_path, "edits", state="retry")]
    print_stages(steps, {steps[0].path})
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "Cached" in lines["frames"]
    assert "built" in lines["editor"]
    assert "Cached" not in lines["editor"]
    assert "retry" in lines["edits"]


def test_the_answer_names_the_editor_and_a_line_that_uses_it(tmp_path, capsys):
    print_answer([step(tmp_path, "editor")], tmp_path)
    out = capsys.readouterr().out
    assert str(tmp_path / "editor" / "demo-12345678") in out
    assert f"editaction edit --editor {tmp_path} --image in.png" in out
