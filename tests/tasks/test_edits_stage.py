"""The test pictures are edited once for each seed."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from modeling.config import SamplingConfig
from modeling.data.images import read_image, squash, to_tensor
from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor
from tasks import edits as edits_file
from tasks.artifacts.artifact import Outside, artifacts_of
from tasks.artifacts.keyed_hash import picture_seed
from tasks.config import EditsConfig, ShardsConfig, SplitsConfig
from tasks.edits import edits
from tasks.shards import shards
from tasks.splits import splits
from tests.support.drawn_frames import draw_frames
from tests.support.tiny_pipeline import SIZE_PX, tiny_pipeline, tiny_start
from tests.support.watchers import watched

CONFIG = EditsConfig(
    sampling=SamplingConfig(size_px=SIZE_PX, num_steps=2, precision="fp32", text_guidance=2.0), seeds=(0, 1)
)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return tiny_start(tmp_path_factory.mktemp("start"))


@pytest.fixture
def sharded(tmp_path):
    frames = draw_frames(tmp_path, num_pairs=20)
    config = SplitsConfig(num_test=5, num_long_distance=1, num_validation=2)
    split = splits.run(tmp_path, "t", config, frames=frames.path)
    return shards.run(tmp_path, "t", ShardsConfig(), frames=frames.path, splits=split.path)


def pictures_of(artifact):
    """Return the edits; the ground truths that passed the autoencoder lie beside them."""
    contents = {path.relative_to(artifact.path).as_posix(): path.read_bytes() for path in artifact.path.rglob("*.png")}
    return {name: content for name, content in contents.items() if not name.startswith("truth_vae/")}


def test_every_test_picture_and_no_other_is_edited_once_a_seed(tmp_path, start, sharded):
    with watched() as log:
        artifact = edits.run(tmp_path, "t", CONFIG, editor=start, shards=sharded.path)
    records = list(artifact.records())
    tested = [row["segment_id"] for row in sharded.records() if row["split"] in ("test5", "long1")]
    assert [(row["seed"], row["segment_id"]) for row in records] == [
        (s, segment_id) for s in (0, 1) for segment_id in tested
    ]
    assert {row["image"] for row in records} == set(pictures_of(artifact))
    assert ("edits", 0, 12) in log.seen
    assert ("edits", 12, 12) in log.seen


def test_a_picture_is_what_the_editor_makes_of_its_source_and_instruction(tmp_path, start, sharded):
    artifact = edits.run(tmp_path, "t", CONFIG, editor=start, shards=sharded.path)
    record = list(artifact.records())[-1]
    example = next(example for example in Examples(sharded.path) if example.segment_id == record["segment_id"])
    editor = Editor.load(start.location, "cpu")
    seed = picture_seed(1, example.segment_id)
    (alone,) = editor.edit([example.source_image], [example.instruction], [seed], CONFIG.sampling)
    edited = read_image(artifact.path / record["image"])
    assert np.abs(alone.astype(int) - edited).max() <= 1
    (other,) = editor.edit([example.source_image], [example.instruction], [seed + 1], CONFIG.sampling)
    assert np.abs(other.astype(int) - edited).max() > 1


def test_the_size_of_the_batches_does_not_matter(tmp_path, start, sharded, monkeypatch):
    first = edits.run(tmp_path / "a", "t", CONFIG, editor=start, shards=sharded.path)
    monkeypatch.setattr(edits_file, "PICTURES_PER_ITEM", 4)
    second = edits.run(tmp_path / "b", "t", CONFIG, editor=start, shards=sharded.path)
    for name in pictures_of(first):
        difference = read_image(first.path / name).astype(int) - read_image(second.path / name)
        assert np.abs(difference).max() <= 1


def test_edits_are_taken_up_where_a_cut_off_run_left_them(tmp_path, start, sharded, monkeypatch):
    monkeypatch.setattr(edits_file, "PICTURES_PER_ITEM", 4)
    undisturbed = edits.run(tmp_path / "a", "t", CONFIG, editor=start, shards=sharded.path)
    with watched(cut_off=("edits", 4)), pytest.raises(KeyboardInterrupt):
        edits.run(tmp_path / "b", "t", CONFIG, editor=start, shards=sharded.path)
    resumed = edits.run(tmp_path / "b", "t", CONFIG, editor=start, shards=sharded.path)
    assert resumed.manifest["items"] == {"total": 6, "run": 6}  # two of them are of ground truths
    assert pictures_of(undisturbed) == pictures_of(resumed)
    assert undisturbed.digest == resumed.digest


def test_one_more_seed_edits_only_for_that_seed(tmp_path, start, sharded):
    first = edits.run(tmp_path, "t", CONFIG, editor=start, shards=sharded.path)
    more = edits.run(tmp_path, "t", replace(CONFIG, seeds=(0, 1, 2)), editor=start, shards=sharded.path)
    assert more.manifest["items"] == {"total": 4, "run": 1}
    assert pictures_of(first).items() <= pictures_of(more).items()


def test_another_guidance_reuses_nothing(tmp_path, start, sharded):
    edits.run(tmp_path, "t", CONFIG, editor=start, shards=sharded.path)
    guided = replace(CONFIG, sampling=replace(CONFIG.sampling, text_guidance=3.0))
    assert edits.run(tmp_path, "t", guided, editor=start, shards=sharded.path).manifest["items"]["run"] == 2


def test_another_editor_reuses_nothing(tmp_path, start, sharded):
    edits.run(tmp_path, "t", CONFIG, editor=start, shards=sharded.path)
    other = replace(start, digest="other")
    assert edits.run(tmp_path, "t", CONFIG, editor=other, shards=sharded.path).manifest["items"]["run"] == 3


def test_every_picture_and_every_seed_has_noise_of_its_own():
    seeds = [picture_seed(seed, f"v-{number}") for seed in range(3) for number in range(200)]
    assert len(set(seeds)) == 600
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_no_test_pictures_is_an_error(tmp_path, start):
    frames = draw_frames(tmp_path)
    split = splits.run(tmp_path, "t", SplitsConfig(num_test=0), frames=frames.path)
    only_train = shards.run(tmp_path, "t", ShardsConfig(), frames=frames.path, splits=split.path)
    with pytest.raises(ValueError, match="nothing to edit"):
        edits.run(tmp_path, "t", CONFIG, editor=start, shards=only_train.path)


def test_an_editor_that_cannot_be_loaded_ends_the_stage_and_is_no_failure_of_each_picture(tmp_path, start, sharded):
    shutil.copytree(start.location, tmp_path / "broken")
    (tmp_path / "broken" / "unet" / "config.json").write_text("{")
    broken = Outside(location=str(tmp_path / "broken"), digest="broken")
    with pytest.raises((ValueError, OSError), match="unet"):
        edits.run(tmp_path, "t", CONFIG, editor=broken, shards=sharded.path)


def test_the_ground_truth_goes_through_the_autoencoder_of_the_start(tmp_path, start, sharded):
    artifact = edits.run(tmp_path, "t", CONFIG, editor=start, shards=sharded.path)
    tested = {row["segment_id"] for row in sharded.records() if row["split"] in ("test5", "long1")}
    passed = {path.stem: read_image(path) for path in (artifact.path / "truth_vae").glob("*.png")}
    assert passed.keys() == tested
    editor = Editor.load(start.location, "cpu")
    example = next(example for example in Examples(sharded.path) if example.segment_id in tested)
    squashed = squash(example.edited_image, SIZE_PX)[None]
    expected = editor.decode(editor.encode_target(to_tensor(squashed))[0])[0]
    assert np.abs(expected.astype(int) - passed[example.segment_id]).max() <= 1
    assert len({picture.tobytes() for picture in passed.values()}) > 1


def test_a_start_that_sees_no_picture_is_no_baseline_and_edits_nothing(tmp_path, sharded):
    tiny_pipeline(in_channels=4).save_pretrained(tmp_path / "text-to-image")
    blind = Outside(location=str(tmp_path / "text-to-image"), digest="blind")
    with pytest.raises(ValueError, match="text-to-image is text-to-image: its U-Net takes no picture"):
        edits.run(tmp_path, "blind", replace(CONFIG, seeds=(0,)), editor=blind, shards=sharded.path)
    assert not artifacts_of(tmp_path, "edits")
