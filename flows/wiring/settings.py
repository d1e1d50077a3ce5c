"""Single settings of a recipe by their dotted names, checked before any work.

Values are checked by pydantic in strict mode, as JSON: true is no number, 1.5 is no whole number, a text is no list.
"""

import dataclasses
import json
import math
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from modeling.json_text import parse_json, read_json

MAX_SETTINGS_BYTES = 16 << 20
"""Largest size of a file of settings."""
MAX_SHOWN = 200
"""Characters of a wrong value that a message repeats."""


def dotted_settings(settings: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested settings by their dotted names."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from dotted_settings(value, f"{inside}{name}.")
        else:
            yield f"{inside}{name}", value


def with_settings(config: Any, settings: Mapping[str, Any], *, inside: str = "") -> Any:
    """Return a copy of the dataclass `config` with changed settings, such as {"editor.num_steps": 100}.

    All settings are changed together, so settings that depend on each other can be given in any order. ValueError names
    an unknown setting, or one with an invalid value and its valid values.
    """
    names = {field.name for field in dataclasses.fields(config)}
    changes: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for dotted, value in settings.items():
        name, _, rest = dotted.partition(".")
        where = f"{inside}{name}"
        if name not in names:
            raise ValueError(f"There is no setting {where!r}; there are {', '.join(sorted(names))}.")
        if _entry_class(config, name) is not None:
            entries = changes.setdefault(name, dict(getattr(config, name)))
            _set_entry(config, name, entries, rest, value)
        elif not rest:
            changes[name] = _checked(config, name, value, where)
        elif dataclasses.is_dataclass(getattr(config, name)):
            nested.setdefault(name, {})[rest] = value
        else:
            raise ValueError(f"{where!r} is a single value; there is no {where}.{rest}.")
    for name, of_name in nested.items():
        changes[name] = with_settings(getattr(config, name), of_name, inside=f"{inside}{name}.")
    return dataclasses.replace(config, **changes)


def _set_entry(config: Any, name: str, entries: dict[str, Any], rest: str, value: Any) -> None:
    """Set one named entry, such as editors.kontext={"class": ..., "start": ...}, or one setting of it."""
    entry, _, field = rest.partition(".")
    where = f"{name}.{entry}"
    if re.fullmatch(r"[a-z][a-z0-9_]{0,39}", entry) is None:
        raise ValueError(f"{where!r} is no name: small letters, digits and _, such as {name}.kontext.")
    kind = _entry_class(config, name)
    assert kind is not None
    if field:
        if entry not in entries:
            raise ValueError(f"There is no {where} yet: give it whole, {where}={{...}}.")
        entries[entry] = with_settings(entries[entry], {_python_name(field): value}, inside=f"{where}.")
        return
    if not isinstance(value, Mapping):
        raise ValueError(f'{where} is {_shown(value)}; it must be an object, such as {{"class": ..., "start": ...}}.')
    given = {_python_name(part): entry_value for part, entry_value in value.items()}
    absent = dataclasses.MISSING
    fields = {field.name: field for field in dataclasses.fields(kind)}
    needed = [field.name for field in fields.values() if field.default is absent and field.default_factory is absent]
    if unknown := sorted(given.keys() - fields.keys()):
        raise ValueError(f"{where} has no {unknown[0]!r}; there are {', '.join(map(_written_name, sorted(fields)))}.")
    if missing := [field_name for field_name in needed if field_name not in given]:
        raise ValueError(f"{where} lacks {_written_name(missing[0])!r}.")
    checked = {
        field_name: _as_type(kind, field_name, value, f"{where}.{_written_name(field_name)}")
        for field_name, value in given.items()
    }
    try:
        entries[entry] = kind(**checked)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _entry_class(config: Any, name: str) -> type[Any] | None:
    """Return the config class of a field's named entries; None for a field that has no such entries."""
    arguments = typing.get_args(typing.get_type_hints(type(config))[name])
    kind: Any = arguments[-1] if arguments else None
    return kind if isinstance(kind, type) and dataclasses.is_dataclass(kind) else None


def _python_name(name: str) -> str:
    """Return the field of a written name: `class` is no name in Python."""
    return "class_name" if name == "class" else name


def _written_name(name: str) -> str:
    return "class" if name == "class_name" else name


def _checked(config: Any, name: str, value: Any, where: str) -> Any:
    """Return `value` as the field's type; ValueError when the field cannot have this value."""
    if dataclasses.is_dataclass(getattr(config, name)):
        raise ValueError(f"{where!r} holds several settings; name one of them, such as {where}.seed=1.")
    return _as_type(type(config), name, value, where)


def _as_type(kind: type[Any], name: str, value: Any, where: str) -> Any:
    """Return `value` as the type of a field of the class `kind`; ValueError where it is none of its values."""
    import pydantic  # imported here: commands that change no setting do not need it

    expected = typing.get_type_hints(kind)[name]
    if _is_no_number(value):
        raise ValueError(f"{where} is {_shown(value)}; numbers are finite, and whole ones below 2^63.")
    if isinstance(value, bool) and not _takes_bool(expected):  # pydantic's Literal[0, 1] takes true, since True == 1
        raise ValueError(f"{where} is {json.dumps(value)}; it must be {_spoken(expected)}.")
    try:
        return pydantic.TypeAdapter(expected).validate_json(json.dumps(value), strict=True)
    except (pydantic.ValidationError, TypeError) as error:
        reasons = error.errors() if isinstance(error, pydantic.ValidationError) else ()
        said = " or ".join(dict.fromkeys(f"{reason['msg'][0].lower()}{reason['msg'][1:]}" for reason in reasons))
        raise ValueError(
            f"{where} is {_shown(value)}; it must be {_spoken(expected)}" + (f" ({said})." if said else ".")
        ) from None


def _is_no_number(value: Any) -> bool:
    """Tell whether a value is a number, or has one inside, that is not finite or that 64 bits do not hold."""
    waiting = [value]  # a list of its own: a recursion would end in nested lists
    while waiting:
        part = waiting.pop()
        if isinstance(part, float) and not math.isfinite(part):
            return True
        if isinstance(part, int) and not -(2**63) <= part < 2**63:
            return True
        waiting += part.values() if isinstance(part, Mapping) else part if isinstance(part, list | tuple) else ()
    return False


def _shown(value: Any) -> str:
    told = repr(value)
    return told if len(told) <= MAX_SHOWN else f"{told[:MAX_SHOWN]}..."


def _takes_bool(expected: Any) -> bool:
    """Tell whether a type has true and false among its values."""
    if typing.get_origin(expected) is typing.Literal:
        return any(isinstance(value, bool) for value in typing.get_args(expected))
    return expected is bool or any(_takes_bool(part) for part in typing.get_args(expected))


def _spoken(expected: Any) -> str:
    """Return a type in words: int, "one of fp32, bf16", "float or None"."""
    if typing.get_origin(expected) is typing.Literal:
        return "one of " + ", ".join(map(str, typing.get_args(expected)))
    return getattr(expected, "__name__", str(expected)) if isinstance(expected, type) else str(expected)


def read_settings(path: Path) -> dict[str, Any]:
    """Read dotted settings from a JSON file: an object of them, or one that has them as `settings`."""
    if not path.is_file():
        raise ValueError(f"--settings {path}: there is no such file.")
    content = read_json(path, at_most=MAX_SETTINGS_BYTES)
    given = content.get("settings", content) if isinstance(content, dict) else None
    if not isinstance(given, dict):
        raise ValueError(f'--settings {path}: wants a JSON object such as {{"editor.num_steps": 100}}.')
    return given


def parse_places(pairs: Sequence[str], option: str) -> dict[str, str]:
    """Parse NAME=PLACE texts; ValueError for another form, or for a name that is given twice.

    >>> parse_places(["kontext=pictures/"], "--edits")
    {'kontext': 'pictures/'}
    """
    places: dict[str, str] = {}
    for text in pairs:
        name, equals, place = text.partition("=")
        if not equals or not place or re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name) is None:
            raise ValueError(
                f"{option} {text!r} is not NAME=FOLDER or NAME=FILE.csv; NAME is of letters, digits, - and _."
            )
        if name in places:
            raise ValueError(f"{option}: the name {name} is taken; choose another.")
        places[name] = place
    return places


def parse_seeds(text: str) -> tuple[int, ...]:
    """Parse seeds between commas; none in an empty text.

    >>> parse_seeds("0, 1,2")
    (0, 1, 2)
    """
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    for part in parts:
        if not (part.isascii() and part.isdigit()):
            raise ValueError(f"--training-seeds {text!r}: {part!r} is no seed. Give whole numbers, such as 0,1,2.")
    return tuple(map(int, parts))


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """Parse `key=value` texts, values as JSON where they are JSON: ["editor.num_steps=100"] -> {..: 100}."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise ValueError(f"{pair!r} is not KEY=VALUE, such as editor.num_steps=100.")
        try:
            settings[name] = parse_json(text)
        except ValueError:
            settings[name] = text
    return settings
