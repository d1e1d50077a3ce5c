"""Every command shows texts of others as they are, with control characters made visible."""

import contextlib
import io
import json
from pathlib import Path

import pytest
from rich.table import Table
from rich.tree import Tree

from flows.commands.cli import main
from flows.commands.screen import Screen, json_line, styled
from flows.commands.status import describe_workspace, print_status
from modeling.visible import visible
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import DatasetConfig
from tests.support.commands import run

TEXTS = (
    "o[/]x",
    "[bold red]x[/]",
    "[link=http://a.org]x[/link]",
    ":smile:",
    "\x1b]0;title\x07\x1b[31m",
    "a\x9bb\u202ec\r",
    "\ud800",
)


@stage
def verdicts(work: Work, config: DatasetConfig) -> None:
    """Stand in for a stage whose warnings, reasons and steps are texts of others."""
    good = [text for text in TEXTS if text.isprintable() or "\x1b" in text]
    work.facts["warnings"] = list(good)
    work.funnel = dict.fromkeys(good, 1)
    work.write_rows([{"segment_id": "a"}], [{"segment_id": "b", "status": "failed", "reason": text} for text in good])


def shown(show: object) -> str:
    file = io.StringIO()
    show(Screen(file=file, width=300))  # type: ignore[operator]
    return file.getvalue()


def in_table(text: str) -> Table:
    table = Table()
    table.add_column("x")
    table.add_row(text)
    return table


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    "made", [str, in_table, Tree, lambda text: styled((text, "bold"))], ids=["str", "table", "tree", "styled"]
)
def test_a_text_is_shown_as_it_is(text: str, made: object) -> None:
    out = shown(lambda screen: screen.print(made(text)))  # type: ignore[operator]
    assert visible(text) in out.replace("\n", "")
    assert not {character for character in out if visible(character, keep="\n") != character}


def test_status_shows_a_workspace_whatever_its_texts_are(tmp_path: Path) -> None:
    verdicts.run(tmp_path, "table", DatasetConfig())
    out = shown(lambda screen: print_status(describe_workspace(tmp_path), screen))
    assert "o[/]x" in out
    assert "\x1b" not in out
    done = run("status", "--workspace", str(tmp_path), cwd=tmp_path)
    assert "o[/]x" in done.stdout
    assert "\x1b" not in done.stdout


def test_messages_on_stderr_hold_no_terminal_codes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("vid\x1b[31meo,instruction[/]\nx,y\n")
    from tasks.annotations.table import read_table

    with pytest.raises(ValueError, match="is missing"):
        read_table(tmp_path / "a.csv")
    done = run("records", "x\x1b]0;t\x07[/]", cwd=tmp_path, expect=1)
    assert "\x1b" not in done.stderr
    assert "x\\x1b]0;t\\x07[/]" in done.stderr


CODES = "x\x1b]0;t\x07\x1b[31m[/]\u202e"


@pytest.mark.parametrize(
    "arguments",
    [
        [CODES],
        ["status", CODES],
        ["status", f"--{CODES}"],
        ["run", "--preset", CODES],
        ["run", "--preset", "table", "--workers", CODES],
        ["export", "--to", CODES],
        ["run", "--preset", "demo", "--until", f"{CODES}\nsecond line"],
    ],
)
def test_what_was_typed_wrongly_is_told_without_terminal_codes(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("flows.commands.server.set_environment", lambda: None)
    monkeypatch.setattr("flows.commands.terminal.ending_on_signals", contextlib.nullcontext)
    monkeypatch.setattr("sys.argv", ["editaction", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code in (1, 2)
    assert "x\\x1b]0;t\\x07" in told.err
    assert not set("\x1b\x07\u202e") & set(told.err + told.out)


def test_a_line_of_json_can_be_read_and_holds_no_control_character() -> None:
    value = {"text": "é \x9b \u202e \x7f [/] 日本"}
    line = json_line(value)
    assert json.loads(line) == value
    assert "é" in line
    assert visible(line) == line
