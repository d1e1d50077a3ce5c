"""A pipeline whose config claims millions of layers is refused before one of them is built."""

import json
from pathlib import Path
from typing import Any

import pytest

from modeling.editors.checking import check_parts


@pytest.mark.parametrize("claim", [{"layers_per_block": 10**7}, {"num_hidden_layers": float("inf")}])
def test_millions_of_layers_are_refused(claim: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    index = {"unet": ["diffusers", "UNet2DConditionModel"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    (tmp_path / "unet" / "config.json").write_text('{"layers_per_block": [2, 2]}', encoding="utf-8")
    check_parts(tmp_path)
    (tmp_path / "unet" / "config.json").write_text(json.dumps(claim), encoding="utf-8")
    with pytest.raises(ValueError, match=r"unet/config\.json: .*layers.* at most 1000"):
        check_parts(tmp_path)
