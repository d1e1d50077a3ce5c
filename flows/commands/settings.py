"""The command `settings`: every setting of a recipe with its value, its meaning and the paper's value."""

import json
import textwrap
from typing import Any

import click

from flows.commands.screen import styled
from flows.commands.terminal import console
from flows.wiring.meanings import Setting, settings_of
from flows.wiring.presets import PRESETS, preset

PAPER = ("hc", "lc")
"""The recipes that hold the paper's numbers."""


@click.command()
@click.argument("prefix", default="")
@click.option("--preset", "name", type=click.Choice(list(PRESETS)), default="demo", show_default=True, help="Recipe.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def settings(prefix: str, name: str, as_json: bool) -> None:
    """List the settings that begin with PREFIX, such as `editor.objective`: value, meaning, the paper's value."""
    chosen = [setting for setting in settings_of(preset(name)) if setting.name.startswith(prefix)]
    if not chosen:
        raise click.ClickException(f"No setting of {name!r} begins with {prefix!r}; without a prefix all are listed.")
    paper = paper_values()
    if as_json:
        rows = {
            setting.name: {"value": setting.value, "meaning": setting.meaning, "paper": paper.get(setting.name, {})}
            for setting in chosen
        }
        click.echo(json.dumps(rows, indent=2, default=str))
        return
    for setting in chosen:
        console.print(styled(f"{setting.name} = {_shown(setting.value)}{_paper_note(setting, paper)}"), soft_wrap=True)
        for line in textwrap.wrap(setting.meaning, max(20, console.width - 4)):
            console.print(styled(f"    {line}"), soft_wrap=True)


def paper_values() -> dict[str, dict[str, Any]]:
    """Return the values of the paper's recipes: setting -> {recipe: value}."""
    by_setting: dict[str, dict[str, Any]] = {}
    for name in PAPER:
        for setting in settings_of(preset(name)):
            by_setting.setdefault(setting.name, {})[name] = setting.value
    return by_setting


def _paper_note(setting: Setting, paper: dict[str, dict[str, Any]]) -> str:
    values = paper.get(setting.name, {})
    if not values or all(value == setting.value for value in values.values()):
        return ""
    if len({repr(value) for value in values.values()}) == 1:
        return f"   (paper: {_shown(next(iter(values.values())))})"
    return "   (paper: " + ", ".join(f"{name} {_shown(value)}" for name, value in values.items()) + ")"


def _shown(value: Any) -> str:
    return json.dumps(value, default=str)
