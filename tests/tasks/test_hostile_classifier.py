"""A classifier in somebody else's workspace: its labels and weights are checked before it judges anything."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from evaluation.classifier.timesformer import SmallShape, load_timesformer, save_timesformer, small_timesformer
from tasks.scoring.judge import labels_of


@pytest.mark.parametrize(
    "content", ["{}", "null", "[]", "[1, 2]", '["a", null]', "[" * 100_000, '["\\ud800"]', "no json"]
)
def test_labels_that_are_no_list_of_actions_are_refused_by_file(tmp_path: Any, content: str) -> None:
    (tmp_path / "labels.json").write_text(content)
    with pytest.raises(ValueError, match=r"labels\.json: "):
        labels_of(SimpleNamespace(path=tmp_path))  # type: ignore[arg-type]


def test_a_config_that_claims_another_size_is_refused_before_it_is_built(tmp_path: Any) -> None:
    save_timesformer(
        small_timesformer(SmallShape(size_px=48, patch_px=16, width=32, num_layers=1), 2, seed=0), tmp_path
    )
    assert load_timesformer(tmp_path).config.num_labels == 2
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 10_000_000}))
    with pytest.raises(ValueError, match="config"):
        load_timesformer(tmp_path)
