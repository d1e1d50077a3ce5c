"""Files of weights are known by their content: a moved file is the same file, and a changed file is another."""

from dataclasses import replace

from evaluation.metrics.weights import has_packaged_efficientnet
from flows.wiring.outside_inputs import classifier_inputs, outside_weights, scores_inputs
from flows.wiring.presets import preset
from tasks.artifacts.artifact import stage_key
from tasks.config import ScoresConfig


def _key(config):
    return stage_key("scores", *scores_inputs(config))


def test_the_key_of_scores_follows_the_content_of_the_networks_file(tmp_path):
    here, there = tmp_path / "a.pth", tmp_path / "elsewhere.pth"
    here.write_bytes(b"weights")
    there.write_bytes(b"weights")
    config = ScoresConfig(fid_features="inception", fid_weights=str(here))
    moved = replace(config, fid_weights=str(there))
    assert _key(config) == _key(moved)
    before = _key(config)
    here.write_bytes(b"changed")
    assert _key(config) != before
    assert scores_inputs(config)[1]["fid_weights"].location == str(here)


def test_a_folder_is_known_by_its_files_and_a_hub_id_by_its_name(tmp_path):
    folder = tmp_path / "dino"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"1")
    config = ScoresConfig(paired_features="dinov2", paired_weights=str(folder))
    before = _key(config)
    (folder / "notes.txt").write_text("says nothing")
    assert _key(config) == before
    (folder / "model.safetensors").write_bytes(b"2")
    assert _key(config) != before
    hub = ScoresConfig(paired_features="dinov2", paired_weights="owner/name")
    assert scores_inputs(hub)[1]["paired_weights"].location == "owner/name"
    assert outside_weights("owner/name").digest != outside_weights("owner/other").digest


def test_what_is_missing_stays_in_the_config_for_the_check_to_tell():
    config = ScoresConfig(fid_features="inception", fid_weights="nowhere.pth")
    assert scores_inputs(config) == (config, {})


def test_the_classifiers_start_is_known_by_its_content_too(tmp_path):
    judge = replace(preset("demo").classifier, start=str(tmp_path / "a" / "model.pyth"))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.pyth").write_bytes(b"weights")
    other = replace(judge, start=str(tmp_path / "b" / "model.pyth"))
    keys = [stage_key("classifier", *classifier_inputs(place)) for place in (judge, other)]
    assert keys[0] == keys[1]
    (tmp_path / "b" / "model.pyth").write_bytes(b"others")
    assert stage_key("classifier", *classifier_inputs(other)) != keys[0]
    assert classifier_inputs(replace(judge, start=None)) == (replace(judge, start=None), {})


def test_the_demo_takes_real_features_where_they_are_installed():
    expected = "efficientnet" if has_packaged_efficientnet() else None
    assert preset("demo").scores.paired_features == expected
    assert preset("demo").scores.fid_features == "fixed-random"
