"""`editaction settings` lists every setting that `--set` takes, with its value and its meaning."""

import json

import pytest
from click.testing import CliRunner

from flows.commands.cli import cli
from flows.wiring.meanings import meanings_of, settings_of
from flows.wiring.presets import PRESETS, preset
from flows.wiring.settings import with_settings
from modeling.config import SamplingConfig


def listed(*arguments):
    done = CliRunner().invoke(cli, ["settings", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("name", PRESETS)
def test_every_setting_has_a_meaning_and_set_takes_it_by_its_name(name):
    config = preset(name)
    for setting in settings_of(config):
        assert setting.meaning, f"{setting.name} has no text below its field"
        if isinstance(setting.value, int | float | str) and setting.name != "preset":
            assert with_settings(config, {setting.name: setting.value}) == config


def test_a_prefix_chooses_and_the_papers_value_stands_beside_another_one():
    shown = json.loads(listed("editor.num_steps", "--json"))
    assert shown["editor.num_steps"]["paper"] == {"hc": 10_000, "lc": 10_000}
    assert shown["editor.num_steps"]["value"] == preset("demo").editor.num_steps
    text = listed("edits.sampling.text_guidance")
    assert "edits.sampling.text_guidance = 1.0   (paper: 7.5)" in text
    assert meanings_of(SamplingConfig)["text_guidance"].split()[0] in text
    assert "(paper" not in listed("edits.sampling.text_guidance", "--preset", "hc")


def test_a_prefix_that_no_setting_has_is_an_error():
    done = CliRunner().invoke(cli, ["settings", "editr"])
    assert done.exit_code == 1
    assert "editr" in done.output
