"""What a form or a server may know of a Request before a run is made: its JSON schema, as the command checks it.

Prefect shows the schema as a form and refuses parameters that do not fit when a run is *made*, so a wrong preset or a
setting that does not exist never waits in a queue to fail there.
"""

import dataclasses
import types
import typing
from collections.abc import Iterator
from typing import Any

from tasks.stages import STAGES

UNTIL = tuple(
    name for name, stage in STAGES.items() if stage.in_main_job and name not in ("kitchen", "videos", "classifier")
)
"""Stages that a run can be asked to end with."""
STAGE_ORDER = tuple(STAGES)
"""Every stage, in the order in which they run."""
MEASURED_AFTER = {"told_apart": "editor", "verdicts": "edits", "timing": "edits"}
"""Measurements that any run can ask for (--measure) -> the stage that makes what they measure."""

Schema = dict[str, Any]

DEVICES = ("auto", "cpu", "cuda", *(f"cuda:{number}" for number in range(8)), "mps")
"""Torch devices that the form offers."""
METHODS = r"^(editaction|finetuned|without_[a-z_]+|table5|grid|grid_decimal|(action|reg)_\d+(\.\d+)?([eE]-?\d+)?)$"
"""Names of methods, as modeling/presets.py reads them."""


def as_form(schema: Schema) -> None:
    """Complete the schema of Request: which values there are, which settings, and that a preset has to be named."""
    from flows.wiring.presets import PRESETS

    properties = schema["properties"]
    properties["preset"]["enum"] = list(PRESETS)
    properties["until"]["enum"] = list(UNTIL)
    properties["device"]["enum"] = list(DEVICES)
    properties["methods"]["items"] = {"type": "string", "pattern": METHODS}
    properties["measure"]["items"] = {"type": "string", "enum": list(MEASURED_AFTER)}
    properties["refresh"]["items"] = {"type": "string", "enum": list(STAGES)}
    properties["item_limit_s"]["exclusiveMinimum"] = 0
    properties["max_failed_share"] |= {"minimum": 0, "maximum": 1}
    for name, least in {"workers": 0, "connections": 1, "retries": 0, "processes": 1, "validate_every": 0}.items():
        properties[name]["minimum"] = least
    properties["settings"] |= {"properties": settings_schema(), "additionalProperties": False}
    # Nobody who leaves the form empty means the demo.
    schema["required"] = ["preset"]
    properties["preset"].pop("default", None)


def settings_schema() -> Schema:
    """Return the schema of every dotted setting that some preset has: {"editor.num_steps": {"type": "integer"}}."""
    from flows.wiring.presets import PRESETS

    found: dict[str, list[Schema]] = {}
    for make in PRESETS.values():
        for name, schema in _leaves(make(), ""):
            options = found.setdefault(name, [])
            if schema not in options:
                options.append(schema)
    return {name: options[0] if len(options) == 1 else {"anyOf": options} for name, options in sorted(found.items())}


def _leaves(config: Any, inside: str) -> Iterator[tuple[str, Schema]]:
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _leaves(value, f"{inside}{field.name}.")
        else:
            yield f"{inside}{field.name}", _of_type(hints[field.name])


def _of_type(expected: Any) -> Schema:
    """Return the schema of a field's type; {} (anything) for types that no form can show."""
    plain = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}
    if expected in plain:
        return {"type": plain[expected]}
    arguments = typing.get_args(expected)
    origin = typing.get_origin(expected)
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_of_type(each) for each in arguments]}
    if origin in (tuple, list):
        return {"type": "array", "items": _of_type(arguments[0])}
    return {}
