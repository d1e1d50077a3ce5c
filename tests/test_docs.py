"""README and docs against the program: they name every command and deployment, and the commands in them parse."""

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from flows.commands.cli import cli
from flows.commands.help_pages import EXAMPLES

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
DEPLOYMENTS = [deployment["name"] for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]]


def told_commands() -> list[tuple[str, str]]:
    """Return (page, command) for each `editaction ...` line of the shell blocks.

    A line that ends in a backslash continues.
    """
    commands = []
    for page in PAGES:
        for block in re.findall(r"```(?:sh|bash|console)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = line.strip().removeprefix("$ ").split(" #")[0].split("   ")[0].strip()
                words = re.split(r"\s[|>&]{1,2}\s", words)[0]
                if words.startswith("editaction "):
                    commands.append((page.name, words))
    return commands


def parse(command: str) -> None:
    """Parse like the command line: unknown commands and options, and wrong choices, raise UsageError."""
    command = re.sub(r"\[(-[^\]]*)\]", r"\1", command)  # [--json] may be left out; it is parsed as if it were there
    words = [word for word in shlex.split(command)[1:] if word != "..."]
    context = click.Context(cli, info_name="editaction")
    name, subcommand, rest = cli.resolve_command(context, words)
    assert subcommand is not None
    with click.Context(subcommand, info_name=name, parent=context) as inner:
        values, _, _ = subcommand.make_parser(inner).parse_args(args=list(rest))
        for parameter in subcommand.params:
            given = values.get(parameter.name)
            if isinstance(parameter.type, click.Choice) and isinstance(given, str):
                parameter.type.convert(given, parameter, inner)


@pytest.mark.parametrize("command", EXAMPLES.values())
def test_each_example_in_the_help_parses(command: str) -> None:
    parse(command)


@pytest.mark.parametrize(("page", "command"), told_commands())
def test_each_command_that_a_page_tells_parses(page: str, command: str) -> None:
    parse(command)


@pytest.mark.parametrize("command", ["editaction run --prest demo", "editaction rum", "editaction demo --device"])
def test_a_command_that_does_not_exist_would_be_noticed(command: str) -> None:
    with pytest.raises(click.UsageError):
        parse(command)


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_each_command_is_told_in_readme_or_docs(name: str) -> None:
    assert any(re.search(rf"editaction {re.escape(name)}\b", page.read_text(encoding="utf-8")) for page in PAGES)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_each_deployment_is_told_in_readme_or_docs(name: str) -> None:
    assert any(re.search(rf"\b{re.escape(name)}\b", page.read_text(encoding="utf-8")) for page in PAGES)


def test_the_index_of_the_docs_links_every_page_and_every_link_leads_somewhere() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"} <= set(
        re.findall(r"\((\w[\w.-]*\.md)\)", index)
    )
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links {target}"
