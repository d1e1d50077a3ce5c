"""Clips of edits, the labels that the classifier gives them, and a small TimeSformer that learns."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from evaluation.classifier.clips import NUM_FRAMES, frame_positions, pair_clip
from evaluation.classifier.timesformer import (
    DropPath,
    SmallShape,
    load_timesformer,
    published_timesformer,
    save_timesformer,
    small_timesformer,
    to_model_input,
)
from evaluation.classifier.training import TrainRecipe, rate_factor, train
from evaluation.metrics.action_accuracy import UNKNOWN, label_indices, matches, predict_actions
from modeling.data.images import squash

SHAPE = SmallShape(size_px=16, patch_px=8, width=32, num_layers=1)


def plain(level, size_px=16):
    return np.full((size_px, size_px, 3), level, np.uint8)


@dataclass
class Toy:
    """Return clips in which a lamp is switched on (0) or off (1): the same two pictures, in either order."""

    labels: list[int]

    def clip(self, index, rng):
        lit = plain(20)
        lit[:, :8] = rng.integers(150, 255)
        pictures = (plain(20), lit)
        before = self.labels[index]
        return pair_clip(pictures[before], pictures[1 - before], 16)


def recipe(**changes):
    settings = {"optimizer": "adamw", "num_epochs": 4, "batch_size": 8, "learning_rate": 3e-3, "seed": 0}
    return TrainRecipe(channel_order="rgb", **(settings | changes))


def ignore(epoch, loss):
    """Do nothing with the loss."""


def test_a_clip_is_the_input_four_times_and_then_the_edit_four_times():
    clip = pair_clip(plain(10), plain(200), 16)
    assert clip.shape == (8, 16, 16, 3)
    assert [int(frame.mean()) for frame in clip] == [10] * 4 + [200] * 4
    still = pair_clip(plain(10), plain(10), 16)
    assert (still == still[0]).all()


def test_the_order_of_input_and_edit_matters_to_the_classifier():
    model = small_timesformer(SHAPE, 3, seed=0).eval()
    torch.nn.init.normal_(model.timesformer.embeddings.time_embeddings, generator=torch.Generator().manual_seed(0))
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    clips = [pair_clip(first, second, 16), pair_clip(second, first, 16)]
    with torch.inference_mode():
        logits = model(pixel_values=to_model_input(clips, "rgb")).logits
    assert float((logits[0] - logits[1]).abs().max()) > 1e-3


def test_black_is_minus_two_and_white_is_what_the_constants_say():
    pixels = to_model_input([pair_clip(plain(0), plain(255), 16)], "rgb")
    assert pixels.shape == (1, 8, 3, 16, 16)
    assert float(pixels[0, 0].max()) == pytest.approx(-2.0)
    assert float(pixels[0, 7].min()) == pytest.approx((1 - 0.45) / 0.225)


def test_bgr_swaps_red_and_blue():
    clip = np.zeros((8, 16, 16, 3), np.uint8)
    clip[..., 0] = 255
    rgb, bgr = (to_model_input([clip], order)[0, 0, :, 0, 0] for order in ("rgb", "bgr"))
    assert torch.equal(rgb, bgr.flip(0))
    assert float(rgb[0]) > 0 > float(rgb[2])


def test_frames_are_squashed_with_antialiasing():
    stripes = np.zeros((64, 32, 3), np.uint8)
    stripes[::2] = 255
    small = squash(stripes, 16)
    assert small.shape == (16, 16, 3)
    assert abs(int(small[4:12, 4:12].mean()) - 127) < 8


def test_one_frame_is_taken_of_each_eighth():
    middles = frame_positions([0.5] * NUM_FRAMES)
    assert middles == pytest.approx([1 / 16 + i / 8 for i in range(8)])
    drawn = frame_positions(np.random.default_rng(0).random(8))
    assert [int(position * 8) for position in drawn] == list(range(8))


def test_accuracy_a_asks_for_the_prediction_on_ground_truth_and_b_for_the_label():
    labels = label_indices(["open", "close", "juggle", "open"], ["close", "open"])
    assert labels.tolist() == [1, 0, UNKNOWN, 1]
    truth = np.array([1, 1, 0, 0])
    perfect = matches(truth, truth, labels)
    assert perfect.match_gt.all(), "an edit that equals the ground truth is right under A whatever is recognised"
    assert perfect.label.tolist() == [True, False, False, False], "and under B only where that is the action"
    other = matches(np.array([0, 1, 0, 1]), truth, labels)
    assert other.match_gt.tolist() == [False, True, True, False]
    assert other.label.tolist() == [False, False, False, True]
    with pytest.raises(ValueError, match="3 edits"):
        matches(truth[:3], truth, labels)


def test_a_small_timesformer_learns_what_anyone_can_tell_apart(tmp_path):
    toy = Toy([0, 1] * 16)
    model = small_timesformer(SHAPE, 2, seed=0)
    losses = train(model, toy, recipe(num_epochs=20), tmp_path / "checkpoint", ignore)
    assert losses[-1] < 0.2 < losses[0]
    rng = np.random.default_rng(1)
    seen = predict_actions(model, (toy.clip(index, rng) for index in range(10)), "rgb", batch_size=3)
    assert seen.tolist() == [0, 1] * 5


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_training_that_was_cut_off_ends_with_the_same_weights(tmp_path, optimizer):
    toy = Toy([0, 1, 1, 0] * 3)
    weights = []
    for cut_after in (None, 1):
        checkpoint = tmp_path / f"{cut_after}"

        def stop(epoch, loss, cut_after=cut_after):
            if epoch == cut_after:
                raise KeyboardInterrupt

        settings = recipe(optimizer=optimizer, num_epochs=3)
        model = with_drop_path(small_timesformer(SHAPE, 2, seed=0))
        if cut_after is not None:
            with pytest.raises(KeyboardInterrupt):
                train(model, toy, settings, checkpoint, stop)
            model = with_drop_path(small_timesformer(SHAPE, 2, seed=5))
        train(model, toy, settings, checkpoint, ignore)
        weights.append(model.state_dict())
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name


def with_drop_path(model):
    model.timesformer.encoder.layer[0].drop_path = DropPath(0.5, torch.Generator())
    return model


def test_the_published_schedule_steps_down_at_epochs_11_and_14_of_15():
    factors = [rate_factor(recipe(optimizer="sgd"), epoch / 15) for epoch in range(15)]
    assert factors == [1.0] * 11 + [0.1] * 3 + [0.01]


def test_a_published_checkpoint_gets_a_new_head_and_stochastic_depth(tmp_path):
    save_timesformer(small_timesformer(SmallShape(size_px=16, patch_px=8, width=32, num_layers=3), 7, 0), tmp_path)
    model = published_timesformer(str(tmp_path), num_labels=4, seed=0)
    assert model.classifier.weight.shape == (4, 32)
    rates = [layer.drop_path.probability for layer in model.timesformer.encoder.layer]
    assert rates == pytest.approx([0.0, 0.05, 0.1])
    body = load_timesformer(tmp_path).timesformer.state_dict()
    assert all(torch.equal(tensor, model.timesformer.state_dict()[name]) for name, tensor in body.items())


def test_stochastic_depth_skips_whole_samples_in_training_only():
    layer = DropPath(0.25, torch.Generator().manual_seed(0))
    branch = torch.ones(4_000, 3)
    kept = layer(branch)
    assert kept.unique().tolist() == pytest.approx([0, 4 / 3])
    assert torch.equal(kept[:, 0], kept[:, 2])
    assert float(kept.mean()) == pytest.approx(1, abs=0.03)
    assert torch.equal(layer.eval()(branch), branch)


def test_what_is_saved_predicts_the_same_when_loaded(tmp_path):
    model = small_timesformer(SHAPE, 5, seed=3).eval()
    save_timesformer(model, tmp_path)
    clips = to_model_input(np.random.default_rng(0).integers(0, 256, (2, 8, 16, 16, 3), dtype=np.uint8), "rgb")
    with torch.inference_mode():
        assert torch.equal(model(clips).logits, load_timesformer(tmp_path)(clips).logits)


def test_patches_must_tile_the_frame():
    with pytest.raises(ValueError, match="tile"):
        SmallShape(size_px=48, patch_px=10, width=32, num_layers=1)
