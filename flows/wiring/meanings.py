"""A recipe -> all its settings: dotted name, value, meaning. The meaning is the text below each field."""

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting of a recipe."""

    name: str
    """Dotted, as `--set` takes it."""
    value: Any
    """Value in the recipe."""
    meaning: str
    """The text below the field; "" where there is none."""


def settings_of(config: Any, inside: str = "") -> Iterator[Setting]:
    """Yield all settings of the dataclass `config` and of the dataclasses inside it, in the order of the fields."""
    meanings = meanings_of(type(config))
    for field in dataclasses.fields(config):
        name, value = f"{inside}{field.name}", getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from settings_of(value, f"{name}.")
        else:
            yield Setting(name=name, value=value, meaning=meanings.get(field.name, ""))


def meanings_of(record: type) -> dict[str, str]:
    """Return the text below each field of a dataclass, inherited ones too: field -> one line."""
    meanings: dict[str, str] = {}
    for base in reversed(record.__mro__):
        if dataclasses.is_dataclass(base):
            meanings |= _below_fields(base)
    return meanings


def _below_fields(record: type) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(record))).body
    assert isinstance(definition, ast.ClassDef)
    meanings = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            told = ast.literal_eval(text.value) if isinstance(text.value, ast.Constant) else ""
            meanings[field.target.id] = " ".join(str(told).split())
    return meanings
