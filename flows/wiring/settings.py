"""Single settings of a recipe by their dotted names, checked before any work."""

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any


def dotted_settings(settings: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested settings by their dotted names."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from dotted_settings(value, f"{inside}{name}.")
        else:
            yield f"{inside}{name}", value


def with_settings(config: Any, settings: Mapping[str, Any], *, inside: str = "") -> Any:
    """Return `config` with dotted settings changed, such as {"editor.num_steps": 100}; unknown names are errors."""
    names = {field.name for field in dataclasses.fields(config)}
    changes: dict[str, Any] = {}
    for dotted, value in settings.items():
        name, _, rest = dotted.partition(".")
        where = f"{inside}{name}"
        if name not in names:
            raise ValueError(f"There is no setting {where!r}; there are {', '.join(sorted(names))}.")
        current = changes.get(name, getattr(config, name))
        if rest and not dataclasses.is_dataclass(current):
            raise ValueError(f"{where!r} is a single value; there is no {where}.{rest}.")
        changes[name] = (
            with_settings(current, {rest: value}, inside=f"{where}.") if rest else _checked(config, name, value, where)
        )
    return replace(config, **changes)


def _checked(config: Any, name: str, value: Any, where: str) -> Any:
    """Return `value` as the field's type, or say what it should be."""
    expected = typing.get_type_hints(type(config))[name]
    if dataclasses.is_dataclass(getattr(config, name)):
        raise ValueError(f"{where!r} holds several settings; name one of them, such as {where}.seed=1.")
    if typing.get_origin(expected) is tuple and isinstance(value, list):
        value = tuple(value)
    options = typing.get_args(expected) if isinstance(expected, types.UnionType) else (expected,)
    if not any(_fits(option, value) for option in options):
        raise ValueError(f"{where} is {value!r}; it must be {_spoken(expected)}.")
    return float(value) if float in options and isinstance(value, int) else value


def _fits(expected: Any, value: Any) -> bool:
    if typing.get_origin(expected) is typing.Literal:
        return value in typing.get_args(expected)
    if typing.get_origin(expected) is tuple:
        return isinstance(value, tuple) and all(_fits(typing.get_args(expected)[0], each) for each in value)
    if expected is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if expected is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, expected)


def _spoken(expected: Any) -> str:
    if typing.get_origin(expected) is typing.Literal:
        return "one of " + ", ".join(map(str, typing.get_args(expected)))
    return getattr(expected, "__name__", str(expected))
