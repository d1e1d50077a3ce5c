"""The classifier stage on small real videos: it takes the right frames, counts, and continues after an interruption."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image

from evaluation.classifier.timesformer import load_timesformer
from modeling.data.example import Example, metadata_of
from modeling.data.images import encode_png
from modeling.data.tars import write_shard
from tasks.artifacts.artifact import Outside
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.classifier import choose_rows, classifier
from tasks.config import ClassifierConfig, RunOptions
from tasks.cutting.clips import VideoSegments, clip_moments, cut_clips, load_clips
from tests.support.clips import HEIGHT, WIDTH, draw_frame, encode, read_number
from tests.support.watchers import watched

ONE_WORKER = RunOptions(workers=1, device="cpu")
CONFIG = ClassifierConfig(
    size_px=16,
    patch_px=8,
    width=32,
    num_layers=1,
    num_epochs=2,
    batch_size=4,
    learning_rate=1e-3,
    moments_per_part=1,
    pair_clip_share=0.5,
    max_segments=8,
)
VERBS = ("open", "open", "close", "close", "juggle", "open")
H264 = ("-c:v", "libx264", "-crf", "10", "-pix_fmt", "yuv420p")


@dataclass(frozen=True, kw_only=True)
class DrawnVideos:
    """Videos of six segments."""

    names: tuple[str, ...] = ("a", "b", "broken")


@stage
def videos(work: Work, config: DrawnVideos, *, folder: Outside) -> None:
    """Write the names of the videos that lie in the folder."""
    work.write_rows({"video_id": name, "file": f"{name}.mp4", "fingerprint": name} for name in config.names)


@stage
def shards(work: Work, config: DrawnVideos) -> None:
    """Write the segments' first and last frames as examples."""
    by_split: dict[str, list[Example]] = {"train": [], "test6": [], "validation": []}
    for name in config.names:
        for number in range(6):
            split = ("train", "test6", "train", "train", "test6", "validation")[number]
            first, last = (encode_png(draw_frame(5 * number + offset)) for offset in (0, 4))
            example = Example(
                segment_id=f"{name}-{number:06d}",
                split=split,
                video_id=name,
                start_s=number / 5,
                stop_s=number / 5 + 0.16,
                instruction="open door",
                verb=VERBS[number],
                object="door",
                start_point="",
                end_point="",
                overlaps=False,
                source_file=first,
                edited_file=last,
            )
            by_split[split].append(example)
    rows = []
    for split, examples in by_split.items():
        (work.path / split).mkdir(exist_ok=True)
        write_shard(work.path / f"{split}/{split}-000000.tar", examples)
        rows += [metadata_of(example) | {"shard": f"{split}/{split}-000000.tar"} for example in examples]
    work.write_rows(rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for name in ("a", "b"):
        encode(folder / f"{name}.mp4", H264, num_frames=35)
    (folder / "broken.mp4").write_bytes(b"no video at all")
    return folder


@pytest.fixture(scope="module")
def inputs(folder, tmp_path_factory):
    workspace = tmp_path_factory.mktemp("inputs")
    named = videos.run(workspace, "t", DrawnVideos(), folder=Outside(location=str(folder), digest="drawn"))
    return {"videos": named.path, "shards": shards.run(workspace, "t", DrawnVideos()).path}


@pytest.fixture(scope="module")
def built(inputs, tmp_path_factory):
    return classifier.run(tmp_path_factory.mktemp("built"), "t", CONFIG, options=ONE_WORKER, **inputs)


def test_a_clip_has_one_frame_of_each_eighth_of_its_segment(folder, tmp_path):
    spans = ((0.0, 0.64), (0.4, 1.04))
    cut = VideoSegments(
        video=folder / "a.mp4", spans_s=spans, size_px=WIDTH, moments_per_part=1, target=tmp_path / "cut"
    )
    assert cut_clips(cut) == [None, None]
    stored = load_clips(tmp_path / "cut")
    for number, (start_s, _) in enumerate(spans):
        clip = stored.clip(number, [0] * 8)
        assert clip.shape == (8, WIDTH, WIDTH, 3)
        first = round(start_s * 25)
        assert [read_number_of_square(frame) for frame in clip] == [first + 1 + 2 * part for part in range(8)]
    assert len(stored.frames) == 13, "a frame of two segments is kept once"


def read_number_of_square(frame):
    """Read the number of a frame that was squashed to a square."""
    return read_number(np.asarray(Image.fromarray(frame).resize((WIDTH, HEIGHT))))


def test_the_moments_of_a_part_lie_evenly_around_its_middle():
    assert clip_moments(2.0, 10.0, 1) == [2.5 + part for part in range(8)]
    three = clip_moments(2.0, 10.0, 3)
    assert three == sorted(three)
    assert three[1::3] == pytest.approx(clip_moments(2.0, 10.0, 1))
    assert three[:3] == pytest.approx([2 + 1 / 6, 2.5, 2 + 5 / 6])


def test_every_example_is_used_or_told_why_not(built, inputs):
    kept, rejected = list(built.records()), list(built.rejected())
    assert len(kept) + len(rejected) == 18
    reasons = {row["segment_id"]: row["reason"] for row in rejected}
    assert {row["segment_id"].split("-")[0] for row in kept} == {"a", "b"}
    assert all(row["verb"] in ("open", "close") for row in kept)
    unreadable = [segment_id for segment_id, reason in reasons.items() if reason == "clip_unreadable"]
    assert len(kept) + len(unreadable) == CONFIG.max_segments
    assert all(segment_id.startswith("broken-") for segment_id in unreadable)
    assert list(reasons.values()).count("over_max_segments") == 1
    assert list(reasons.values()).count("held_out") == 9
    assert built.num_failed == 0, "what cannot be read is not tried again and again"


def test_it_says_how_good_it_is_on_films_pairs_and_copies(built):
    accuracy = json.loads((built.path / "accuracy.json").read_text())
    assert set(accuracy) == {"test6"}
    counts = accuracy["test6"]
    assert counts["num_segments"] == 4, "the broken video's two are left out"
    for name in ("real_clips", "ground_truth_pairs", "copies"):
        assert 0 <= counts[f"right_on_{name}"] <= 4
    assert counts["num_unknown_actions"] == 2, "nobody juggles in the training segments"


def test_the_saved_model_has_one_output_an_action_and_no_clips_are_left(built):
    labels = json.loads((built.path / "labels.json").read_text())
    assert labels == ["close", "open"]
    assert load_timesformer(built.path / "model").config.num_labels == 2
    assert not (built.path / "clips").exists()


def test_a_training_cut_off_between_epochs_ends_with_the_same_bytes(built, inputs, tmp_path):
    with watched(cut_off=("classifier", 4)), pytest.raises(KeyboardInterrupt):
        classifier.run(tmp_path, "t", CONFIG, options=ONE_WORKER, **inputs)
    resumed = classifier.run(tmp_path, "t", CONFIG, options=ONE_WORKER, **inputs)
    assert resumed.manifest["items"] == {"total": 3, "run": 0}
    assert resumed.digest == built.digest


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_rows():
    rows = [{"segment_id": f"s{number}", "split": "train"} for number in range(20)]
    few = replace(CONFIG, max_segments=5)
    drawn, tested, rest = choose_rows(rows, few)
    assert len(drawn) == 5
    assert tested == []
    assert len(rest) == 15
    assert choose_rows(rows[::-1], few)[0] == drawn
    assert choose_rows(rows, replace(few, seed=1))[0] != drawn


def test_without_training_rows_it_says_so():
    with pytest.raises(ValueError, match="nothing to learn from"):
        choose_rows([{"segment_id": "s", "split": "test1"}], CONFIG)
