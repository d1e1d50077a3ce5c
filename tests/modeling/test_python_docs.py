"""The snippets of docs/python.md run unchanged, with the small editor that comes with the project."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize(("block", "shown"), [*zip(BLOCKS, ["(64, 64, 3) uint8", "(64, 64)"], strict=True)])
def test_each_snippet_runs_as_it_stands(block, shown, tmp_path, capsys):
    picture = tmp_path / "picture.png"
    Image.fromarray(np.full((80, 80, 3), 127, dtype=np.uint8)).save(picture)
    exec(block, {"EDITOR": str(ROOT / "modeling" / "starting_editor"), "PICTURE": picture})
    assert capsys.readouterr().out.strip().splitlines()[-1] == shown
