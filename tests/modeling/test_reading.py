"""Any number of workers read pictures ahead, and the pictures are the same."""

import numpy as np
import pytest

from modeling.config import TrainConfig
from modeling.data.images import squash
from modeling.data.loader import Examples
from modeling.data.reading import PictureReader
from modeling.editors.instruct_pix2pix import Editor
from modeling.runs.fine_tuning import TrainOptions, make_batches
from modeling.runs.watcher import Watcher
from tests.modeling.test_loader import shards  # noqa: F401
from tests.support.tiny_pipeline import SIZE_PX, tiny_pipeline, write_examples

ROWS = np.array([4, 0, 3, 3, 1])
FLIPS = np.array([False, True, False, True, True])


@pytest.mark.parametrize("workers", [0, 1, 2, 7])
def test_any_number_of_workers_gives_the_same_pictures_in_order(shards, workers):  # noqa: F811
    """Seven workers read two shards. The same example can be asked for twice, mirrored or not."""
    folder, originals = shards
    reader = PictureReader(Examples(folder), 8, workers=workers)
    for expected in (ROWS, np.array([2])):  # the rows that are read next, or other rows
        reader.expect(expected, FLIPS[: len(expected)])
        for kind, pictures in zip(("source_image", "edited_image"), reader.read(ROWS, FLIPS), strict=True):
            wanted = [squash(getattr(originals[row], kind), 8) for row in ROWS]
            wanted = [picture[:, ::-1] if flip else picture for picture, flip in zip(wanted, FLIPS, strict=True)]
            np.testing.assert_array_equal(pictures, wanted)


@pytest.mark.parametrize("workers", [1, 7])
def test_all_pictures_come_in_the_order_of_the_tars(shards, workers, monkeypatch):  # noqa: F811
    monkeypatch.setattr("modeling.data.reading.AHEAD", 2)
    folder, originals = shards
    read = list(PictureReader(Examples(folder), 8, workers=workers).in_order())
    assert len(read) == len(originals) == 5
    for (source, edited), original in zip(read, originals, strict=True):
        np.testing.assert_array_equal(source, squash(original.source_image, 8))
        np.testing.assert_array_equal(edited, squash(original.edited_image, 8))


def test_what_is_expected_is_read_before_it_is_asked_for(tmp_path):
    write_examples(tmp_path, count=6)
    reader = PictureReader(Examples(tmp_path), SIZE_PX, workers=2)
    reader.expect(np.arange(4), np.zeros(4, dtype=bool))
    reader.read(np.arange(4), np.zeros(4, dtype=bool))  # waits until all pictures are there
    (tmp_path / "train-000000.tar").unlink()
    assert len(reader.read(np.arange(4), np.zeros(4, dtype=bool))[0]) == 4
    with pytest.raises(OSError, match="train-000000"):
        reader.read(np.array([5]), np.zeros(1, dtype=bool))


def test_a_truncated_shard_is_named_by_the_worker_that_meets_it(shards):  # noqa: F811
    folder, _ = shards
    reader = PictureReader(Examples(folder), 8, workers=3)
    bad = folder / "train-000001.tar"
    bad.write_bytes(bad.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"train-000001\.tar.*truncated"):
        reader.read(np.arange(5), np.zeros(5, dtype=bool))


def test_a_step_reads_the_next_ones_pictures_ahead(tmp_path):
    write_examples(tmp_path, count=5)
    config = TrainConfig(size_px=SIZE_PX, batch_size=2, num_steps=9, precision="fp32")
    options = TrainOptions(device="cpu", cache="off", workers=2)
    examples = Examples(tmp_path)
    batches = make_batches(Editor(tiny_pipeline()), examples, config, options, Watcher(lambda line: None))
    read_ahead = batches._latents._reader._expected
    list(batches.parts(batches.draw(3)))
    draws = batches.draw(4).draws
    assert set(read_ahead[-1]) == set(zip(draws.examples.tolist(), draws.flips.tolist(), strict=True))


def test_epochs_are_counted_exactly(tmp_path):
    write_examples(tmp_path, count=5)
    config = TrainConfig(size_px=SIZE_PX, batch_size=2, num_steps=9, precision="fp32")
    options = TrainOptions(device="cpu")
    batches = make_batches(Editor(tiny_pipeline()), Examples(tmp_path), config, options, Watcher(lambda line: None))
    assert [batches.epochs_after(step) for step in (0, 1, 4, 9)] == [0.4, 0.8, 2.0, 4.0]
