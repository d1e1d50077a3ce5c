"""The examples in docs/data.md do what the page says."""

import re
from pathlib import Path

import pytest

from tasks.config import ShardsConfig, SplitsConfig
from tasks.shards import shards
from tasks.splits import splits
from tests.support.drawn_frames import draw_frames

DOCS = Path(__file__).resolve().parents[2] / "docs" / "data.md"
BLOCKS = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture
def shard_folder(tmp_path):
    frames = draw_frames(tmp_path, num_pairs=10)
    split = splits.run(tmp_path, "t", SplitsConfig(num_test=3), frames=frames.path)
    return shards.run(tmp_path, "t", ShardsConfig(examples_per_shard=4), frames=frames.path, splits=split.path).path


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, [r"7 put plate \d+.* \(16, 16, 3\)"]),
        (1, [r"(put plate \d+.* \(16, 16\) \(16, 16\)\n){7}"]),
        (2, [r"test3 +3\ntrain +7\n", r"put plate 0 on table", r"\(16, 16\)"]),
        (3, [r"put plate \d+.* \(16, 16\) \(16, 16\)\n"]),
    ],
)
def test_each_block_runs_as_it_stands(number, shown, shard_folder, capsys):
    assert len(BLOCKS) == 4
    if "import load_dataset" in BLOCKS[number]:
        pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    exec(BLOCKS[number], {"shards": shard_folder})
    output = capsys.readouterr().out
    for pattern in shown:
        assert re.search(pattern, output), output
