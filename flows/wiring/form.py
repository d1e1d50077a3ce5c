"""The JSON schema of a Request for forms and servers, with the same checks as the command.

Prefect shows the schema as a form, and refuses invalid parameters when a run is *made*. So a wrong preset or an unknown
setting never waits in a queue and fails there.
"""

import dataclasses
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal

from tasks.stages import STAGES

PresetName = Literal["demo", "demo-hc", "lc", "hc", "table", "pairs", "lerobot"]
"""The recipes of presets.py."""
Until = Literal["segments", "frames", "splits", "dataset", "shards", "editor", "edits", "scores", "report"]
"""Stages with which a run can end."""
UNTIL: tuple[Until, ...] = typing.get_args(Until)
Device = Literal[
    "auto", "cpu", "cuda", "cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:4", "cuda:5", "cuda:6", "cuda:7", "mps"
]
"""Torch devices that a form offers."""
MethodName = Literal[
    "editaction", "finetuned", "without_action", "without_reg", "without_freezing", "table5", "grid", "grid_decimal"
]
"""Methods of modeling/presets.py that have a name; action_X and reg_X have a loss weight in theirs."""
WEIGHTED = r"^(action|reg)_(?!0*\.?0*([eE]|$))(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
"""Pattern of the methods action_X and reg_X."""
STAGE_ORDER = tuple(STAGES)
"""Every stage, in the order in which they run."""
MEASURED_AFTER = {"told_apart": "editor", "forgetting": "editor", "verdicts": "edits", "timing": "edits"}
"""Measurements of --measure -> the stage whose result they measure."""

NAMED_EDITORS = r"^editors\.[a-z][a-z0-9_]{0,39}(\.[a-z_]+)?$"
"""Settings of diffusers pipelines that a person names."""
ITEMS_ON = r"^(processes|dask|(tcp|tls|ws|wss)://[^\s/]+)$"
"""The places where items can be worked on."""

Schema = dict[str, Any]

KITCHENS = ("demo", "demo-hc")
"""Presets that draw their own videos."""
OWN_TABLES = ("table", "pairs", "lerobot")
"""Presets that have no official annotations to fetch."""


def as_form(schema: Schema) -> None:
    """Complete the schema of Request: what pydantic does not know of its fields, and how they go together."""
    properties = as_named(schema)
    # An empty form must not start the demo.
    schema["required"] = ["preset"]
    properties["preset"].pop("default", None)
    properties["methods"] |= {
        "items": {"anyOf": [{"enum": list(typing.get_args(MethodName))}, {"type": "string", "pattern": WEIGHTED}]},
        "minItems": 1,
    }
    properties["measure"]["items"] = {"type": "string", "enum": list(MEASURED_AFTER)}
    properties["refresh"]["items"] = {"type": "string", "enum": list(STAGES)}
    properties["items_on"]["pattern"] = ITEMS_ON
    properties["item_limit_s"]["exclusiveMinimum"] = 0
    properties["max_failed_share"] |= {"minimum": 0, "maximum": 1}
    for name, least in {"connections": 1, "retries": 0, "processes": 1, "validate_every": 0, "micro_batch": 0}.items():
        properties[name]["minimum"] = least
    own_videos: Schema = {
        "annotations": {"type": "null"},
        "videos": {"type": "null"},
        "more_annotations": {"maxItems": 0},
        "fetch": {"const": "local"},
    }
    no_kitchen: Schema = {"settings": {"propertyNames": {"not": {"pattern": r"^kitchen\."}}}}
    schema["allOf"] = [
        _where(KITCHENS, {"properties": own_videos}) | {"else": {"properties": no_kitchen}},
        _where(OWN_TABLES, {"required": ["annotations"], "properties": {"annotations": {"type": "string"}}}),
    ]


def as_named(schema: Schema) -> Schema:
    """Let a request name settings that there are; return its properties. A night's request needs no more than this."""
    properties: Schema = schema["properties"]
    properties["settings"] |= {
        "properties": settings_schema(),
        "patternProperties": {NAMED_EDITORS: {}},
        "additionalProperties": False,
    }
    properties["workers"]["minimum"] = 0
    return properties


def _where(presets: tuple[str, ...], then: Schema) -> Schema:
    return {"if": {"required": ["preset"], "properties": {"preset": {"enum": list(presets)}}}, "then": then}


def settings_schema() -> Schema:
    """Return the schema of every dotted setting that some preset has: {"editor.num_steps": {"type": "integer"}}."""
    from flows.wiring.presets import PRESETS

    schemas: dict[str, list[Schema]] = {}
    for make in PRESETS.values():
        for name, schema in _leaves(make(), ""):
            options = schemas.setdefault(name, [])
            if schema not in options:
                options.append(schema)
    return {name: options[0] if len(options) == 1 else {"anyOf": options} for name, options in sorted(schemas.items())}


def _leaves(config: Any, inside: str) -> Iterator[tuple[str, Schema]]:
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, dict):
            continue  # entries that people name: NAMED_EDITORS
        if dataclasses.is_dataclass(value):
            yield from _leaves(value, f"{inside}{field.name}.")
        else:
            yield f"{inside}{field.name}", _bounded(config, field.name, _of_type(hints[field.name]))


def _bounded(config: Any, name: str, schema: Schema) -> Schema:
    """Add to a number's schema the least value that the config's own check takes: 0, 1, or above 0; none where any."""
    if "anyOf" in schema:
        return schema | {"anyOf": [_bounded(config, name, part) for part in schema["anyOf"]]}
    if schema.get("type") not in ("integer", "number") or _takes(config, name, -1):
        return schema
    if _takes(config, name, 0):
        return schema | {"minimum": 0}
    return schema | ({"minimum": 1} if schema["type"] == "integer" else {"exclusiveMinimum": 0})


def _takes(config: Any, name: str, value: float) -> bool:
    try:
        dataclasses.replace(config, **{name: value})
    except ValueError:
        return False
    return True


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
        return {"anyOf": [_of_type(argument) for argument in arguments]}
    if origin in (tuple, list):
        return {"type": "array", "items": _of_type(arguments[0])}
    return {}


def refuse_unknown_parameters() -> None:
    """Let deployments that are made from now on refuse parameters that their flow does not have.

    A step of `prefect deploy` (prefect.yaml). Prefect leaves this out of a deployment's schema; no setting adds it.
    """
    from prefect.utilities.callables import ParameterSchema

    plain = ParameterSchema.model_dump

    def strict(self: Any, **options: Any) -> Schema:
        return plain(self, **options) | {"additionalProperties": False}

    setattr(ParameterSchema, "model_dump", strict)  # noqa: B010 - a method, by its name
