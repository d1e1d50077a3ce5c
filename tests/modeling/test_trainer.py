"""One training step: what it changes, what it does not change, and how its division into parts gives the same
result.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DConditionModel

from modeling.config import ObjectiveConfig, TrainConfig
from modeling.data.loader import Examples
from modeling.diffusion.schedule import NoiseSchedule, predict
from modeling.editors.instruct_pix2pix import Editor
from modeling.objective.freezing import freeze, frozen_copy, is_frozen
from modeling.objective.losses import squared_error
from modeling.presets import fine_tuned
from modeling.runs.fine_tuning import TrainOptions, make_batches
from modeling.runs.watcher import Watcher
from modeling.training.batches import Batches
from modeling.training.ema import MovingAverage
from modeling.training.latents import FreshLatents, latent_source
from modeling.training.optimizers import learning_rate
from modeling.training.trainer import Trainer
from tests.support.tiny_pipeline import SIZE_PX, tiny_pipeline, tiny_unet, write_examples

CONFIG = TrainConfig(
    size_px=SIZE_PX,
    batch_size=4,
    num_steps=8,
    learning_rate=1e-3,
    precision="fp32",
    conditioning_dropout=0.0,
    objective=ObjectiveConfig(lambda_action=0.5, lambda_reg=0.3),
)
PLAIN = replace(CONFIG, objective=fine_tuned())


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return Examples(write_examples(tmp_path_factory.mktemp("shards"), count=12))


def make(config: TrainConfig, examples: Examples, **options) -> tuple[Trainer, Batches, Editor]:
    """Return a trainer from the same tiny start, and its batches."""
    editor = Editor(tiny_pipeline())
    batches = make_batches(editor, examples, config, TrainOptions(**options), Watcher(lambda line: None))
    return Trainer(editor, config), batches, editor


def weights(editor: Editor) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in editor.unet.named_parameters()}


def test_at_the_start_l_reg_and_its_gradient_are_exactly_zero(examples: Examples) -> None:
    objective = ObjectiveConfig(lambda_action=0.0, lambda_reg=0.3)
    trainer, batches, editor = make(replace(CONFIG, objective=objective), examples)
    (part,) = batches.parts(batches.draw(0))
    drift = trainer.errors(part).drift
    gradients = torch.autograd.grad(
        drift.sum(), [weight for weight in editor.unet.parameters() if weight.requires_grad]
    )
    assert (drift == 0).all()
    assert all((gradient == 0).all() for gradient in gradients)


def test_l_reg_is_measured_against_the_start_and_grows_from_zero(examples: Examples) -> None:
    trainer, batches, _ = make(CONFIG, examples)
    logged = [trainer.step(batches, step)["reg"] for step in range(3)]
    assert logged[0] == pytest.approx(0, abs=1e-9)
    assert 1e-6 < logged[1] < logged[2]


def test_without_l_action_and_l_reg_a_step_is_plain_instructpix2pix_bit_for_bit(examples: Examples) -> None:
    trainer, batches, editor = make(PLAIN, examples, cache="off")
    texts = sorted(set(examples.instructions))
    embedded = dict(zip(texts, editor.encode_text([*texts, ""]).clone(), strict=False))
    reference = tiny_unet().train()
    optimizer = torch.optim.AdamW(reference.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    alphas = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").alphas_cumprod
    for step in range(3):
        trainer.step(batches, step)
        draws = batches.draw(step).draws
        pairs = [examples[index] for index in draws.examples]
        latents = FreshLatents(editor, examples, SIZE_PX).take(draws.examples, draws.flips)
        clean = latents.target + latents.spread * draws.encoder_noise
        signal = alphas[draws.timesteps][:, None, None, None]
        noisy = signal.sqrt() * clean + (1 - signal).sqrt() * draws.noise
        text = torch.stack([embedded[pair.instruction] for pair in pairs])
        sample = torch.cat([noisy, latents.condition], dim=1)
        prediction = reference(sample, draws.timesteps, text).sample
        loss = (prediction - draws.noise).square().mean(dim=(1, 2, 3)).sum() / len(pairs)
        torch.testing.assert_close(loss, torch.nn.functional.mse_loss(prediction, draws.noise))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for name, weight in reference.named_parameters():
        assert torch.equal(editor.unet.get_parameter(name), weight), name


def test_the_baselines_steps_do_not_depend_on_settings_of_terms_that_it_lacks(examples: Examples) -> None:
    """The same draws are used, and no forward pass runs for a loss without weight."""
    other = replace(PLAIN, objective=replace(fine_tuned(), action_form="softplus", action_temperature=9.0))
    calls: list[int] = []
    ends = []
    for config in (PLAIN, other):
        trainer, batches, editor = make(config, examples)
        editor.unet.register_forward_pre_hook(lambda unet, inputs: calls.append(len(inputs[0])))
        trainer.step(batches, 0)
        ends.append(weights(editor))
    assert calls == [4, 4]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_c_and_its_negative_share_noise_and_timestep_in_one_doubled_forward(examples: Examples) -> None:
    trainer, batches, editor = make(CONFIG, examples)
    calls: list[int] = []
    editor.unet.register_forward_pre_hook(lambda unet, inputs: calls.append(len(inputs[0])))
    (part,) = batches.parts(batches.draw(0))
    errors = trainer.errors(part)
    assert calls == [8]
    for text, error in ((part.text, errors.static), (part.other_text, errors.negative)):
        alone = squared_error(predict(editor.unet, part.noisy, part.condition, part.timesteps, text), part.goal)
        torch.testing.assert_close(error, alone)
    assert ((errors.static - errors.negative) != 0).all()
    same = trainer.errors(replace(part, other_text=part.text))
    torch.testing.assert_close(torch.sigmoid(same.static - same.negative), torch.full((4,), 0.5))


@pytest.mark.parametrize("scope", ["attn2", "attn", "transformer", "none"])
def test_a_step_leaves_what_is_frozen_bit_identical_and_moves_all_else(scope: str, examples: Examples) -> None:
    trainer, batches, editor = make(replace(CONFIG, objective=ObjectiveConfig(freeze=scope)), examples)
    before = weights(editor)
    for step in range(2):
        trainer.step(batches, step)
    for name, weight in weights(editor).items():
        assert torch.equal(weight, before[name]) == is_frozen(name, scope), name
    trainer.swap_average()
    for name, weight in weights(editor).items():
        assert torch.equal(weight, before[name]) == is_frozen(name, scope), name
    assert any(is_frozen(name, scope) for name in before) == (scope != "none")


@pytest.mark.parametrize(
    ("scope", "num_tensors", "num_parameters"),
    [("attn2", 80, 43_962_560), ("attn", 160, 93_536_640), ("transformer", 416, 267_239_360), ("none", 0, 0)],
)
def test_what_each_scope_freezes_of_stable_diffusion(scope: str, num_tensors: int, num_parameters: int) -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=64, in_channels=8, out_channels=4, cross_attention_dim=768, attention_head_dim=8
        )
    frozen = {name: weight.numel() for name, weight in unet.named_parameters() if is_frozen(name, scope)}
    total = sum(weight.numel() for weight in unet.parameters())
    assert (len(frozen), sum(frozen.values()), total) == (num_tensors, num_parameters, 859_532_484)
    assert len(freeze(unet, scope)) == len(list(unet.parameters())) - num_tensors


def test_the_frozen_copy_shares_what_is_frozen_and_nothing_else() -> None:
    unet = tiny_unet()
    freeze(unet, "attn2")
    for dtype in (torch.float32, torch.bfloat16):
        copied = frozen_copy(unet, dtype)
        for (name, own), other in zip(unet.named_parameters(), copied.parameters(), strict=True):
            assert (own is other) == is_frozen(name, "attn2"), name
            assert not other.requires_grad
        assert all(weight.requires_grad for name, weight in unet.named_parameters() if not is_frozen(name, "attn2"))
    assert copied.conv_in.weight.dtype == torch.bfloat16
    assert copied.conv_norm_out.weight.dtype == torch.float32


@pytest.mark.parametrize("reduction", ["sample", "batch"])
def test_micro_batches_give_the_whole_batchs_gradient(reduction: str, examples: Examples) -> None:
    objective = ObjectiveConfig(lambda_action=2.0, lambda_reg=0.5, action_reduction=reduction, action_temperature=5.0)
    config = replace(CONFIG, batch_size=7, conditioning_dropout=0.15, seed=3, objective=objective)
    logged, gradients = [], []
    for micro_batch in (0, 3):
        trainer, batches, editor = make(config, examples, micro_batch=micro_batch)
        for weight in editor.unet.parameters():
            weight.data.mul_(1.02)  # move away from the start, so that L_reg has a gradient
        batch = batches.draw(1)
        assert 0 < batch.has_contrast.sum() < 7
        sums = trainer._accumulate_gradients(batches, batch)
        logged.append({name: total.item() for name, total in sums.items()})
        gradients.append([weight.grad for weight in editor.unet.parameters() if weight.grad is not None])
    assert logged[0] == pytest.approx(logged[1], rel=1e-4)
    for whole, parts in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, parts, rtol=1e-3, atol=1e-5)


def test_dropped_text_becomes_the_empty_text_and_dropped_pictures_zeros(examples: Examples) -> None:
    config = replace(CONFIG, batch_size=256, conditioning_dropout=0.2)
    _, batches, editor = make(config, examples)
    batch = batches.draw(0)
    (part,) = batches.parts(batch)
    empty = editor.encode_text([""])[0]
    for row in range(256):
        instruction = examples.instructions[batch.draws.examples[row]]
        expected = empty if batch.draws.text_dropped[row] else editor.encode_text([instruction])[0]
        torch.testing.assert_close(part.text[row], expected)
        assert (part.condition[row] == 0).all() == batch.draws.image_dropped[row]
    np.testing.assert_array_equal(part.has_contrast.numpy(), ~batch.draws.text_dropped)
    assert 0.3 < batch.draws.text_dropped.mean() < 0.5


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_noising_and_target_are_diffusers_own(prediction_type: str) -> None:
    reference = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction_type,
        rescale_betas_zero_snr=prediction_type == "v_prediction",
    )
    schedule = NoiseSchedule(reference.config, torch.device("cpu"))
    clean, noise = torch.randn(2, 5, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    timesteps = torch.tensor([0, 1, 500, 998, 999])
    torch.testing.assert_close(
        schedule.add_noise(clean, noise, timesteps), reference.add_noise(clean, noise, timesteps)
    )
    velocity = reference.get_velocity(clean, noise, timesteps)
    target = noise if prediction_type == "epsilon" else velocity
    torch.testing.assert_close(schedule.target(clean, noise, timesteps), target)


def test_a_start_that_predicts_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="predicts 'sample'"):
        NoiseSchedule(DDIMScheduler(prediction_type="sample").config, torch.device("cpu"))


def test_cached_latents_are_the_fresh_ones_mirrored_ones_too(examples: Examples) -> None:
    editor = Editor(tiny_pipeline())
    sources = [
        latent_source(
            editor,
            examples,
            size_px=SIZE_PX,
            with_flips=True,
            dtype=torch.float32,
            mode=mode,
            tick=lambda done, total: None,
        )
        for mode in ("on", "off")
    ]
    rows, flips = np.array([3, 0, 11, 3]), np.array([True, False, True, False])
    cached, fresh = (source.take(rows, flips) for source in sources)
    assert type(sources[0]) is not type(sources[1])
    for name in ("condition", "target", "spread"):
        torch.testing.assert_close(getattr(cached, name), getattr(fresh, name), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(cached.condition[0], cached.condition[3], atol=1e-3)


def test_a_step_without_a_finite_loss_changes_nothing_and_is_counted(examples: Examples) -> None:
    trainer, batches, editor = make(CONFIG, examples)
    trainer.step(batches, 0)
    before, saved = weights(editor), {name: tensor.clone() for name, tensor in trainer.tensors().items()}
    handle = editor.unet.conv_out.register_forward_hook(lambda module, inputs, output: output * math.nan)
    entry = trainer.step(batches, 1)
    handle.remove()
    assert math.isnan(entry["loss"])
    assert (entry["skipped"], trainer.num_skipped_in_a_row) == (1, 1)
    assert all(torch.equal(weight, before[name]) for name, weight in weights(editor).items())
    assert all(torch.equal(tensor, saved[name]) for name, tensor in trainer.tensors().items())
    assert trainer.step(batches, 2)["skipped"] == 1
    assert trainer.num_skipped_in_a_row == 0
    assert not torch.equal(weights(editor)["conv_out.weight"], before["conv_out.weight"])


def test_gradients_are_clipped_to_their_norm_only_when_asked(examples: Examples) -> None:
    trainer, batches, editor = make(replace(CONFIG, max_grad_norm=1e-3), examples)
    trainer._accumulate_gradients(batches, batches.draw(0))
    free = [weight.grad for weight in editor.unet.parameters() if weight.grad is not None]
    assert torch.nn.utils.get_total_norm(free) > 0.1
    seen: list[float] = []
    trainer.forget_gradients()
    trainer._optimizer.inner.register_step_pre_hook(
        lambda optimizer, *_: seen.append(
            torch.nn.utils.get_total_norm([weight.grad for weight in trainer._weights]).item()
        )
    )
    assert trainer.step(batches, 0)["gradient_norm"] > 0.1
    assert seen == [pytest.approx(1e-3, rel=1e-3)]


def test_the_average_follows_the_ramp_of_instructpix2pix() -> None:
    weight = torch.zeros(3)
    average = MovingAverage([weight], max_decay=0.25)
    expected = 0.0
    for update in range(1, 6):
        weight += 1
        average.update()
        decay = min(0.25, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * update
    torch.testing.assert_close(average.average[0], torch.full((3,), expected))


def test_learning_rate_warms_up_and_then_stays_or_falls_along_a_cosine() -> None:
    config = TrainConfig(num_steps=100, learning_rate=1.0, num_warmup_steps=10)
    assert [learning_rate(config, step) for step in (0, 9, 10, 99)] == [0.1, 1.0, 1.0, 1.0]
    cosine = replace(config, lr_schedule="cosine")
    assert [learning_rate(cosine, step) for step in (0, 10)] == [0.1, 1.0]
    assert learning_rate(cosine, 55) == pytest.approx(0.5)
    assert learning_rate(cosine, 99) < 1e-3


def test_diagnostics_tell_which_regime_a_run_is_in(examples: Examples) -> None:
    trainer, batches, _ = make(CONFIG, examples)
    first, second = trainer.step(batches, 0), trainer.step(batches, 1)
    assert first["loss"] == pytest.approx(first["static"] + 0.5 * first["action"] + 0.3 * first["reg"])
    assert first["sigmoid"] == pytest.approx(first["action"])
    assert 0 < first["difference"] < 1
    assert {f"{name}_gradient_norm" for name in ("static", "action", "reg")} <= first.keys()
    assert not [name for name in second if name.startswith("static_")]
    assert first["pool_min"] >= 1
    assert set(first["fallbacks"]) == {"content", "different", "none"}
