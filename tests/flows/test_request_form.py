"""A request as a form: every field is described, values are those of the command, and the server refuses others."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from prefect.utilities.callables import parameter_schema

from flows.nightly import nightly
from flows.reproduce import reproduce
from flows.wiring.form import METHODS, settings_schema
from flows.wiring.job import UNTIL
from flows.wiring.presets import PRESETS


def schema_of(flow: Any) -> dict[str, Any]:
    return parameter_schema(flow.fn).model_dump()


def refused(request: dict[str, Any]) -> bool:
    return not Draft202012Validator(schema_of(reproduce)).is_valid({"request": request})


@pytest.mark.parametrize(("flow", "name"), [(reproduce, "Request"), (nightly, "NightlyRequest")])
def test_every_field_is_described(flow: Any, name: str) -> None:
    properties = schema_of(flow)["definitions"][name]["properties"]
    bare = [field for field, each in properties.items() if not each.get("description") and "$ref" not in str(each)]
    assert not bare


def test_values_are_those_of_the_command() -> None:
    properties = schema_of(reproduce)["definitions"]["Request"]["properties"]
    assert properties["preset"]["enum"] == list(PRESETS)
    assert properties["until"]["enum"] == list(UNTIL)
    assert "auto" in properties["device"]["enum"]
    assert settings_schema()["editor.num_steps"] == {"type": "integer"}


@pytest.mark.parametrize(
    "request_fields",
    [
        {},
        {"preset": "dem"},
        {"preset": "demo", "until": "reports"},
        {"preset": "demo", "device": "gpu"},
        {"preset": "demo", "methods": ["fancy"]},
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
        {"preset": "demo", "methods": ["editaction", "action_0.01", "without_reg", "grid"], "until": "editor"},
        {"preset": "demo", "settings": {"edits.seeds": [0, 1], "frames.image_format": "png"}, "long_distance": None},
    ],
)
def test_what_the_command_takes_is_taken(request_fields: dict[str, Any]) -> None:
    assert not refused(request_fields)
    assert METHODS
