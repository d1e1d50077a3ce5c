"""A request as a form: every field is described, the values are those of the command, and the server refuses others."""

import dataclasses
import typing
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from prefect.utilities.callables import ParameterSchema, parameter_schema

from flows.nightly import nightly
from flows.reproduce import reproduce
from flows.wiring.form import (
    KITCHENS,
    OWN_TABLES,
    UNTIL,
    MethodName,
    PresetName,
    refuse_unknown_parameters,
    settings_schema,
)
from flows.wiring.job import official_annotations
from flows.wiring.presets import PRESETS
from flows.wiring.settings import dotted_settings, with_settings
from modeling.presets import method_names
from tasks.stages import STAGES


def schema_of(flow: Any) -> dict[str, Any]:
    return parameter_schema(flow.fn).model_dump()


def refused(request: dict[str, Any]) -> bool:
    return not Draft202012Validator(schema_of(reproduce)).is_valid({"request": request})


@pytest.mark.parametrize(("flow", "name"), [(reproduce, "Request"), (nightly, "NightlyRequest")])
def test_every_field_is_described(flow: Any, name: str) -> None:
    properties = schema_of(flow)["definitions"][name]["properties"]
    bare = [
        field for field, schema in properties.items() if not schema.get("description") and "$ref" not in str(schema)
    ]
    assert not bare


def test_values_are_those_of_the_command() -> None:
    properties = schema_of(reproduce)["definitions"]["Request"]["properties"]
    assert properties["preset"]["enum"] == list(typing.get_args(PresetName)) == list(PRESETS)
    assert properties["until"]["enum"] == list(UNTIL)
    has_end = [name for name, stage in STAGES.items() if stage.in_main_job]
    assert [name for name in has_end if name not in ("kitchen", "videos", "classifier")] == list(UNTIL)
    assert "auto" in properties["device"]["enum"]
    assert settings_schema()["editor.num_steps"] == {"type": "integer", "minimum": 1}
    assert [name for name in PRESETS if PRESETS[name]().kitchen is not None] == list(KITCHENS)
    readers = {name: PRESETS[name]().segments.reader for name in PRESETS if name not in KITCHENS}
    assert {name for name, reader in readers.items() if official_annotations(Path(), reader) is None} == set(OWN_TABLES)
    for name in typing.get_args(MethodName):
        method_names(name)  # raises ValueError for an unknown name


def test_the_least_values_are_those_that_the_recipes_themselves_take() -> None:
    bounds = {name: schema["minimum"] for name, schema in settings_schema().items() if "minimum" in schema}
    assert len(bounds) >= 10
    for name, least in bounds.items():
        for make in PRESETS.values():
            if name in dict(dotted_settings(dataclasses.asdict(make()))):
                with pytest.raises(ValueError):  # noqa: PT011 - each config says it in its own words
                    with_settings(make(), {name: least - 1})


def test_a_parameter_beside_the_request_is_refused_in_deployments(monkeypatch: pytest.MonkeyPatch) -> None:
    # so that monkeypatch restores it afterwards
    monkeypatch.setattr(ParameterSchema, "model_dump", ParameterSchema.model_dump)
    refuse_unknown_parameters()
    validator = Draft202012Validator(schema_of(reproduce))
    assert validator.is_valid({"request": {"preset": "demo"}})
    [error] = validator.iter_errors({"request": {"preset": "demo"}, "reqest": {}})
    assert "'reqest' was unexpected" in error.message


def test_an_empty_request_is_told_that_a_preset_is_missing() -> None:
    errors = list(Draft202012Validator(schema_of(reproduce)).iter_errors({"request": {}}))
    assert [error.message for error in errors] == ["'preset' is a required property"]


@pytest.mark.parametrize(
    "request_fields",
    [
        {},
        {"preset": "dem"},
        {"preset": "demo", "until": "reports"},
        {"preset": "demo", "device": "gpu"},
        {"preset": "demo", "methods": ["fancy"]},
        {"preset": "demo", "methods": ["action_0"]},
        {"preset": "demo", "methods": []},
        {"preset": "demo", "settings": {"editor.num_steps": 0}},
        {"preset": "demo", "settings": {"splits.held_out_share": -0.1}},
        {"preset": "demo", "annotations": "a.csv"},
        {"preset": "demo", "fetch": "download"},
        {"preset": "hc", "settings": {"kitchen.num_videos": 2}},
        {"preset": "table", "videos": "v"},
        {"preset": "table", "annotations": None},
        {"preset": "demo", "settings": {"editor.num_step": 3}},
        {"preset": "demo", "settings": {"editor.num_steps": "many"}},
        {"preset": "demo", "settings": {"editor.num_steps": 1.5}},
        {"preset": "demo", "workers": -1},
        {"preset": "demo", "max_failed_share": 1.5},
        {"preset": "demo", "workspce": "w"},
    ],
)
def test_what_the_command_refuses_is_refused_when_the_run_is_made(request_fields: dict[str, Any]) -> None:
    assert refused(request_fields)


@pytest.mark.parametrize(
    "request_fields",
    [
        {"preset": "demo"},
        {"preset": "hc", "annotations": "a.csv", "videos": "v", "settings": {"splits.num_test": 5}},
        {"preset": "lc", "fetch": "download"},
        {"preset": "demo-hc", "settings": {"kitchen.num_videos": 2}, "videos": None, "fetch": "local"},
        {"preset": "demo", "methods": ["editaction", "action_0.01", "reg_1e-3", "without_reg", "grid"]},
        {"preset": "demo", "settings": {"edits.seeds": [0, 1], "frames.image_format": "png"}, "long_distance": None},
    ],
)
def test_what_the_command_takes_is_taken(request_fields: dict[str, Any]) -> None:
    assert not refused(request_fields)
