"""Help in sections: every command and every option of the main job has its place, and every command has an example."""

import click
import pytest
from click.testing import CliRunner

from flows.commands.cli import cli
from flows.commands.help_pages import COMMANDS, EXAMPLES, OPTIONS, CommandInSections
from flows.commands.run import demo, run


def help_of(*words: str, width: int = 80) -> str:
    """Return the help that `editaction WORDS --help` prints on a terminal of this width."""
    shown = CliRunner().invoke(cli, [*words, "--help"], terminal_width=width, prog_name="editaction")
    assert shown.exit_code == 0
    return shown.output


def test_every_command_stands_in_exactly_one_section() -> None:
    named = [name for names in COMMANDS.values() for name in names]
    assert sorted(named) == sorted(cli.commands)
    assert "\nMore:" not in help_of()


@pytest.mark.parametrize("command", [demo, run])
def test_every_option_of_the_main_job_stands_in_a_section(command: click.Command) -> None:
    named = [name for names in OPTIONS.values() for name in names]
    assert len(named) == len(set(named))
    assert {parameter.name for parameter in command.params} <= set(named)


def test_no_section_names_an_option_that_no_command_has() -> None:
    there = {parameter.name for parameter in (*demo.params, *run.params)}
    assert {name for names in OPTIONS.values() for name in names} <= there


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_ends_its_help_with_an_example_of_itself(name: str) -> None:
    assert EXAMPLES[name].split()[:2] == ["editaction", name]
    assert f"Example: {EXAMPLES[name]}" in " ".join(help_of(name).split())


def test_options_of_a_topic_stand_together_and_new_ones_are_not_hidden() -> None:
    @click.command(cls=CommandInSections)
    @click.option("--device", help="Torch device.")
    @click.option("--brand-new", help="Unknown to all sections.")
    def command(**_: object) -> None:
        """Do it."""

    shown = CliRunner().invoke(command, ["--help"]).output
    assert shown.index("Device, speed and memory:") < shown.index("--device") < shown.index("More:")
    assert shown.index("More:") < shown.index("--brand-new")


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_help_fits_a_terminal_of_60_columns(name: str) -> None:
    to_copy = ("editaction ", "python -m ")  # lines that are copied as a whole, and lists of choices, are not broken
    lines = [line for line in help_of(name, width=60).splitlines() if not line.strip().startswith(to_copy)]
    too_wide = [line for line in lines if len(line) > 60 and "|" not in line]
    assert too_wide == []


def test_defaults_are_shown() -> None:
    assert "0: one per core. [default: 0]" in " ".join(help_of("run").split())
