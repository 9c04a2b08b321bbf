"""One training step: who receives which gradient, in which order, on which latents and augmented views."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from infogan import images as edge
from infogan import objective, recipes, streams
from infogan.config import AugmentationConfig, Categorical, Config, ObjectiveConfig, parse_codes
from infogan.model import InfoGAN
from infogan.presets import load
from infogan.training import optimizers
from infogan.training.anchors import Anchors
from infogan.training.guard import DivergenceGuard
from infogan.training.real_statistics import RealStatistics
from infogan.training.step import Step
from infogan.training.trainer import Trainer
from tests.training.step_builders import (
    IMAGES,
    advance,
    anchored,
    anchors_of_images,
    changed_parameters,
    copied,
    discriminator_losses,
    generator_losses,
    make_trainer,
    step_inputs,
    watch_updates,
    with_training,
)


@pytest.fixture
def trainer(tiny_config: Config) -> Trainer:
    return make_trainer(with_training(tiny_config))


def contrastive(config: Config, *, start: int = 0, weight: float = 2.0, **training: Any) -> Trainer:
    objective = ObjectiveConfig(contrastive_weight=[[start, 0.0], [start, weight]])
    return make_trainer(with_training(config, **training).model_copy(update={"objective": objective}))


# --- who receives which gradient -------------------------------------------------------------------------


def test_each_update_changes_its_own_networks(trainer: Trainer) -> None:
    updates, before = watch_updates(trainer), copied(trainer.model)
    trainer.advance()
    assert updates == [
        ("discriminator", {"trunk", "discriminator", "recognition"}),
        ("generator", {"generator"}),
    ]
    assert changed_parameters(trainer.model, before) == {name for name, _ in trainer.model.named_parameters()}


def test_parameters_require_gradients_again_after_a_step(trainer: Trainer) -> None:
    trainer.advance()
    assert all(parameter.requires_grad for parameter in trainer.model.parameters())
    assert not trainer.model.training


def test_recognition_learns_nothing_from_real_images(trainer: Trainer) -> None:
    (images,), randomness, settings = step_inputs(trainer)
    trainer.model.train()
    bounds, same = (
        trainer.make_step.discriminator_losses([real], randomness, settings).bounds
        for real in (images, 255 - images)
    )
    assert {name: bound.item() for name, bound in bounds.items()} == {
        name: bound.item() for name, bound in same.items()
    }


def test_every_network_descends_its_own_loss(tiny_config: Config) -> None:
    """One step by hand, from equations 1 and 6; plain gradients, as Adam's first step shows signs only."""
    trainer = make_trainer(
        with_training(tiny_config, learning_rate_discriminator=0.1, learning_rate_generator=0.1)
    )
    model, weights = InfoGAN(trainer.config), trainer.config.info_weights()
    assert set(weights.values()) == {1.0, 0.1}
    model.train()
    encoder = [*model.trunk.parameters(), *model.discriminator.parameters(), *model.recognition.parameters()]
    for name, optimizer in trainer.optimizers.items():
        trainer.optimizers[name] = torch.optim.SGD(  # type: ignore[assignment]
            optimizer.param_groups[0]["params"], lr=0.1
        )

    def sample(update: str) -> tuple[Tensor, dict[str, Tensor]]:
        rng = streams.generator(0, f"latents/{update}", 0)
        noise, codes = model.latents.sample_noise(8, rng), model.latents.sample_codes(8, rng)
        return model.latents.join(noise, codes), codes

    def information(features: Tensor, codes: dict[str, Tensor]) -> Tensor:
        posteriors = model.latents.posteriors(model.recognition(features, ("fake",)))
        return sum(weights[name] * posteriors[name].log_prob(codes[name]).mean() for name in codes)

    def descend(loss: Tensor, parameters: list[Tensor]) -> None:
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.sub_(0.1 * gradient)

    latents, codes = sample("discriminator")
    features = model.trunk(model.generator(latents).detach(), ("fake",))
    batch = IMAGES[streams.batch_indices(0, 0, 8, len(IMAGES))].permute(0, 3, 1, 2).float() / 255
    real = model.discriminator(model.trunk(batch, ("real",))).sigmoid()
    fake = model.discriminator(features).sigmoid()
    descend(-real.log().mean() - (1 - fake).log().mean() - information(features, codes), encoder)
    latents, codes = sample("generator")
    features = model.trunk(model.generator(latents), ("fake",))
    fake = model.discriminator(features).sigmoid()
    descend(-fake.log().mean() - information(features, codes), list(model.generator.parameters()))

    trainer.advance()
    for (name, ours), theirs in zip(trainer.model.named_parameters(), model.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5), name


def test_without_generator_information_only_recognition_learns_the_codes(tiny_config: Config) -> None:
    """The control experiment of Figure 1: a GAN with a Q that gives G no gradient."""
    gradients = {}
    for weight in (1.0, 50.0):
        for informed in (True, False):
            part = ObjectiveConfig(info_weight=weight, generator_information=informed)
            trainer = make_trainer(with_training(tiny_config).model_copy(update={"objective": part}))
            batches, randomness, settings = step_inputs(trainer)
            # D's update depends on the weight, too: at a rate of 0 G's gradient is that of the same networks.
            rates = {**settings.learning_rates, "discriminator": 0.0}
            trainer.make_step(batches, randomness, replace(settings, learning_rates=rates))
            gradients[informed, weight] = torch.cat(
                [parameter.grad.flatten() for parameter in trainer.model.generator.parameters()]
            )
            updates = watch_updates(trainer)
            trainer.advance()
            assert "recognition" in updates[0][1]
    assert torch.equal(gradients[False, 1.0], gradients[False, 50.0])
    assert not torch.equal(gradients[True, 1.0], gradients[True, 50.0])


# --- latents ---------------------------------------------------------------------------------------------


def test_every_update_of_every_step_has_latents_of_its_own(tiny_config: Config) -> None:
    trainer = make_trainer(with_training(tiny_config, generator_updates=3))
    updates, latents = watch_updates(trainer), []
    trainer.model.generator.register_forward_pre_hook(lambda _, inputs: latents.append(inputs[0].clone()))
    advance(trainer, 2)
    assert [name for name, _ in updates] == 2 * ["discriminator", "generator", "generator", "generator"]
    assert trainer.step == 2
    noise = torch.cat([trainer.model.latents.split(batch)[0] for batch in latents])
    codes = torch.cat([trainer.model.latents.split(batch)[1]["style"] for batch in latents])
    assert len(noise.unique(dim=0)) == len(codes.unique()) == 8 * 8


# --- the contrastive term --------------------------------------------------------------------------------


def test_the_classifier_and_the_generator_learn_from_pairs_and_nothing_else_does(
    tiny_config: Config,
) -> None:
    trainer = contrastive(tiny_config)
    updates = watch_updates(trainer)
    trainer.advance()
    assert updates == [
        ("contrastive", {"contrastive"}),
        ("discriminator", {"trunk", "discriminator", "recognition"}),
        ("generator", {"generator"}),
    ]
    assert all(parameter.requires_grad for parameter in trainer.model.parameters())


def test_the_classifier_s_own_update_has_no_gradient_for_the_generator(tiny_config: Config) -> None:
    trainer = contrastive(tiny_config)
    _, randomness, _ = step_inputs(trainer)
    trainer.make_step.contrastive_loss("contrastive", randomness).backward()
    assert all(parameter.grad is None for parameter in trainer.model.generator.parameters())
    trainer.make_step.contrastive_loss("generator", randomness).backward()
    assert all(parameter.grad is not None for parameter in trainer.model.generator.parameters())


def test_the_contrastive_weight_changes_the_generator_s_update(tiny_config: Config) -> None:
    first, second = contrastive(tiny_config, weight=1e-9), contrastive(tiny_config)
    first.advance()
    second.advance()
    assert changed_parameters(first.model.generator, copied(second.model.generator))


def test_before_the_start_of_the_contrastive_term_a_run_is_one_without_it(tiny_config: Config) -> None:
    trainer, without = contrastive(tiny_config, start=2), contrastive(tiny_config, weight=0.0)
    assert trainer.model.contrastive is not None and without.model.contrastive is None
    fresh = copied(trainer.model.contrastive)
    advance(trainer, 2)
    advance(without, 2)
    assert not changed_parameters(trainer.model.contrastive, fresh)
    ours = copied(trainer.model)
    assert all(torch.equal(value, ours[name]) for name, value in without.model.state_dict().items())
    assert "contrastive" not in trainer.take_window()["terms"]
    trainer.advance()
    assert changed_parameters(trainer.model.contrastive, fresh)
    assert 0.1 < trainer.take_window()["terms"]["contrastive"] < 10


# --- continuous codes, predicted from augmented views of their own ---------------------------------------


def augmented(config: Config, **policy: Any) -> Trainer:
    return make_trainer(
        with_training(config).model_copy(update={"augmentation": AugmentationConfig(**policy)})
    )


def bounds_of(trainer: Trainer) -> dict[str, float]:
    return {name: bound.item() for name, bound in discriminator_losses(trainer).bounds.items()}


def test_continuous_codes_are_predicted_from_views_of_their_own(tiny_config: Config) -> None:
    """The same networks and latents under two policies: only what is predicted from the views differs."""
    first, second = (
        bounds_of(augmented(tiny_config, rotation=turn, code_rotation=10.0)) for turn in (60.0, 90.0)
    )
    assert set(tiny_config.continuous) < set(first)
    for name in first:
        assert (first[name] == second[name]) == (name in tiny_config.continuous), name


def test_code_noise_changes_only_the_bounds_of_continuous_codes(tiny_config: Config) -> None:
    first, second = (bounds_of(augmented(tiny_config, code_noise=std)) for std in (0.5, 1.0))
    for name in first:
        assert (first[name] == second[name]) == (name not in tiny_config.continuous), name


def test_noisy_images_have_running_statistics_of_their_own(tiny_config: Config) -> None:
    """Noise must not reach the statistics that clean generated images are encoded with."""
    buffers = []
    for std in (0.5, 4.0):
        trainer = augmented(tiny_config, code_noise=std)
        bounds_of(trainer)
        buffers.append({name: b for name, b in trainer.model.named_buffers() if b.is_floating_point()})
    noisy = [name for name in buffers[0] if "noisy_" in name]
    assert noisy
    for name in buffers[0]:
        assert torch.equal(buffers[0][name], buffers[1][name]) == (name not in noisy), name
    plain = augmented(tiny_config, rotation=10.0)
    assert not any("noisy_" in name for name, _ in plain.model.named_buffers())


def test_without_such_a_policy_all_codes_are_predicted_from_the_same_images(tiny_config: Config) -> None:
    first, second = (bounds_of(augmented(tiny_config, rotation=turn)) for turn in (60.0, 90.0))
    assert all(first[name] != second[name] for name in first)


def test_the_generator_learns_continuous_codes_from_these_views(tiny_config: Config) -> None:
    first, second = (
        generator_losses(augmented(tiny_config, rotation=turn, code_rotation=10.0)).bounds
        for turn in (60.0, 90.0)
    )
    for name in tiny_config.continuous:
        assert torch.equal(first[name], second[name])
        assert first[name].requires_grad


def test_the_smallest_batches_train(tiny_config: Config) -> None:
    """Batch norm needs two images, also in the part of a batch that continuous codes are predicted from."""
    config = tiny_config.replace(training={"batch_size": 2}, augmentation={"code_noise": 0.5})
    trainer = make_trainer(config)
    trainer.advance()
    assert trainer.step == 1


# --- Q's own encoder, and anchors ------------------------------------------------------------------------


def test_the_encoder_is_updated_with_q_and_d_has_a_trunk_of_its_own(tiny_config: Config) -> None:
    trainer = make_trainer(anchored(tiny_config), anchors=anchors_of_images(tiny_config))
    updates = watch_updates(trainer)
    trainer.advance()
    assert updates == [
        ("discriminator", {"trunk", "discriminator", "recognition", "encoder"}),
        ("generator", {"generator"}),
    ]
    assert all(parameter.requires_grad for parameter in trainer.model.parameters())
    trainer = make_trainer(
        anchored(tiny_config).replace(
            objective={"info_weight": 0.0}, latents={"codes": parse_codes("digit:4 style:u")}
        )
    )
    losses = discriminator_losses(trainer)
    gradients = torch.autograd.grad(losses.loss, list(trainer.model.encoder.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in gradients)


def test_only_real_images_enter_the_statistics_of_q(tiny_config: Config) -> None:
    """The latents of another step change the generated images alone."""
    statistics = []
    for step in (0, 1):
        trainer = make_trainer(anchored(tiny_config), anchors=anchors_of_images(tiny_config))
        batches, _, settings = step_inputs(trainer)
        trainer.make_step(batches, trainer.sampler.sample(step, settings), settings, trainer.targets())
        model = trainer.model
        statistics.append({**dict(model.encoder.named_buffers()), **dict(model.recognition.named_buffers())})
    assert any("real_mean" in name for name in statistics[0])
    assert all(torch.equal(value, statistics[1][name]) for name, value in statistics[0].items())


def test_the_generator_s_bound_is_that_of_q_in_evaluation(tiny_config: Config) -> None:
    trainer = make_trainer(anchored(tiny_config))
    trainer.model.latents.train()
    _, randomness, settings = step_inputs(trainer)
    trainer.model.train()
    with torch.no_grad():
        losses = trainer.make_step.generator_losses("generator", randomness, settings)
        images = trainer.model.generator(randomness.latents["generator"].vector)
        assert trainer.model.encoder.training  # restored
        raw = trainer.model.eval().predict(images, "real")
    codes = randomness.latents["generator"].codes
    expected = objective.mutual_information_bound(trainer.model.latents, raw, codes)
    for name, bound in losses.bounds.items():
        torch.testing.assert_close(bound, expected[name])


def test_anchors_are_learned_from_views_of_their_own_images(tiny_config: Config) -> None:
    trainer = make_trainer(anchored(tiny_config), anchors=anchors_of_images(tiny_config))
    (images,), randomness, settings = step_inputs(trainer)
    trainer.model.train()
    losses = trainer.make_step.discriminator_losses([images], randomness, settings, trainer.targets())
    trainer.model.train()
    pixels = edge.to_float(images, "tanh")
    raw = make_trainer(trainer.config).model.train().predict(pixels, "real")
    posteriors = trainer.model.latents.posteriors(raw)
    indices = streams.batch_indices(0, 0, 8, len(IMAGES))
    targets = {name: value[indices] for name, value in anchors_of_images(tiny_config).targets.items()}
    logs = [posteriors[name].log_prob(target).mean() for name, target in targets.items()]
    torch.testing.assert_close(losses.terms["anchors"], -sum(logs) / 2)
    assert losses.terms["anchors"].requires_grad


@pytest.mark.parametrize("factor", [0.0, 1.0])
def test_q_learns_codes_with_anchors_from_generated_images_by_that_factor(
    factor: float, tiny_config: Config
) -> None:
    """With a factor of 0 the weight of these codes changes the update of G alone."""
    config = anchored(tiny_config).replace(objective={"anchored_information": factor})
    ends = []
    for weight in (0.5, 5.0):
        trainer = make_trainer(
            config.replace(objective={"info_weight": weight}, latents={"codes": {"digit": Categorical(4)}}),
            anchors=Anchors({"digit": anchors_of_images(config).targets["digit"]}),
        )
        trainer.advance()
        ends.append(copied(trainer.model))
    same = {
        part: all(torch.equal(v, ends[1][name]) for name, v in ends[0].items() if name.startswith(part))
        for part in ("encoder.", "recognition.", "generator.")
    }
    assert same == {"encoder.": True, "recognition.": factor == 0, "generator.": False}


@pytest.mark.parametrize("with_anchors", [True, False])
def test_codes_of_generated_images_change_q_s_encoder_only_in_a_run_without_anchors(
    with_anchors: bool, tiny_config: Config
) -> None:
    config = anchored(tiny_config)
    anchors = Anchors({"digit": anchors_of_images(config).targets["digit"]}) if with_anchors else None
    encoders = []
    for weight in (0.5, 5.0):
        codes = {"style": replace(config.latents.codes["style"], info_weight=weight)}
        trainer = make_trainer(
            config.replace(latents={"codes": {**config.latents.codes, **codes}}), anchors=anchors
        )
        trainer.advance()
        encoders.append(copied(trainer.model.encoder))
    same = all(torch.equal(value, encoders[1][name]) for name, value in encoders[0].items())
    assert same is with_anchors


def test_a_shared_trunk_learns_anchors_too(tiny_config: Config) -> None:
    config = with_training(tiny_config).replace(objective={"anchor_weight": 1.0})
    trainer = make_trainer(config, anchors=anchors_of_images(config))
    advance(trainer, 20)
    first = trainer.take_window()["terms"]["anchors"]
    advance(trainer, 60)
    trainer.take_window()
    advance(trainer, 20)
    assert trainer.take_window()["terms"]["anchors"] < 0.9 * first


def test_without_anchors_or_with_a_weight_of_0_there_is_no_such_term(tiny_config: Config) -> None:
    config = anchored(tiny_config)
    without, unweighted = (
        make_trainer(config),
        make_trainer(config.replace(objective={"anchor_weight": 0.0}), anchors=anchors_of_images(config)),
    )
    for trainer in (without, unweighted):
        trainer.advance()
        assert trainer.take_window()["terms"] == {}


def test_continuous_anchors_are_predicted_from_views_of_their_own_policy(tiny_config: Config) -> None:
    """The same networks under two policies: the loss of categories differs, that of `style` does not."""
    for name, same in (("style", True), ("digit", False)):
        values = []
        for turn in (60.0, 90.0):
            config = anchored(tiny_config).replace(augmentation={"rotation": turn, "code_rotation": 10.0})
            anchors = Anchors({name: anchors_of_images(config).targets[name]})
            trainer = make_trainer(config, anchors=anchors)
            trainer.advance()
            values.append(trainer.take_window()["terms"]["anchors"])
        assert (values[0] == values[1]) is same


def test_d_sees_pairs_of_images_and_codes(tiny_config: Config) -> None:
    config = anchored(tiny_config).replace(network={"pairs": True})
    losses = []
    for seed in (0, 1):
        trainer = make_trainer(config, anchors=anchors_of_images(config, seed))
        with torch.no_grad():
            trainer.model.discriminator.embedding.parametrizations.weight.original.mul_(1e3)
        batches, _, settings = step_inputs(trainer)
        randomness = trainer.sampler.sample(0, settings, trainer.targets())
        trainer.model.train()
        losses.append(trainer.make_step.discriminator_losses(batches, randomness, settings).loss)
    assert losses[0] != losses[1]
    trainer.advance()
    assert "embedding" in " ".join(
        changed_parameters(trainer.model.discriminator, copied(InfoGAN(config).discriminator))
    )


# --- views of real images --------------------------------------------------------------------------------


def test_the_second_view_is_that_of_a_neighbour(tiny_config: Config) -> None:
    config = with_training(tiny_config).replace(
        objective={"real_information_weight": 1.0, "neighbours": 2},
        augmentation={"brightness": 1e-9, "all_images": False},  # active, but visible in no pixel
    )
    nearest = torch.stack([(torch.arange(40) + 1) % 40, (torch.arange(40) + 2) % 40], dim=1)
    trainer = make_trainer(config, nearest=nearest)
    pixels = IMAGES.permute(0, 3, 1, 2).float() / 255
    seen = set()
    for trainer.step in range(3):
        batches, randomness, _ = step_inputs(trainer)
        first, second = trainer.make_step.views(batches, randomness)
        indices = streams.batch_indices(config.training.seed, trainer.step, 8, 40)
        assert torch.equal(first, pixels[indices])
        for index, view in zip(indices.tolist(), second, strict=True):
            matching = [k for k in (0, 1) if torch.allclose(view, pixels[nearest[index, k]], atol=1e-6)]
            assert len(matching) == 1
            seen |= set(matching)
    assert seen == {0, 1}, "all neighbours are used"


# --- the moving average of the generator -----------------------------------------------------------------


def test_the_average_follows_its_formula_from_its_start(tiny_config: Config) -> None:
    trainer = make_trainer(with_training(tiny_config, ema_decay=0.75, ema_start=2))
    average, generator = trainer.model.ema, trainer.model.generator
    assert average is not None
    expected = copied(generator)
    for step in range(4):
        trainer.advance()
        for name, value in generator.state_dict().items():
            followed = 0.75 * expected[name] + 0.25 * value
            expected[name] = followed if step >= 2 else value.clone()
        for name, value in average.state_dict().items():
            assert torch.allclose(value, expected[name], atol=1e-6), (step, name)
        same = torch.equal(average.output.weight, generator.output.weight)
        assert same == (step < 2)  # before its start it is an exact copy


def test_no_decay_means_no_average(trainer: Trainer) -> None:
    trainer.advance()
    assert trainer.model.ema is None
    assert not any(name.startswith("ema") for name in trainer.model.state_dict())


# --- precision -------------------------------------------------------------------------------------------


def test_bfloat16_is_for_layers_only(tiny_config: Config) -> None:
    trainer = make_trainer(with_training(tiny_config, ema_decay=0.5), precision="bfloat16")
    layers: set[torch.dtype] = set()
    trainer.model.generator.output.register_forward_hook(lambda *call: layers.add(call[2].dtype))
    trainer.model.recognition.output.register_forward_hook(lambda *call: layers.add(call[2].dtype))
    losses = [discriminator_losses(trainer), generator_losses(trainer)]
    trainer.advance()
    tensors = {**trainer.model.state_dict(), **trainer.optimizer_tensors()}
    gradients = [parameter.grad for parameter in trainer.model.generator.parameters()]
    assert layers == {torch.bfloat16}
    assert {value.dtype for part in losses for value in (part.loss, *part.bounds.values())} == {torch.float32}
    assert {value.dtype for value in tensors.values()} == {torch.float32}
    assert {gradient.dtype for gradient in gradients if gradient is not None} == {torch.float32}


# --- no value is read on the host ------------------------------------------------------------------------


def on_meta(value: Any) -> Any:
    """Move the tensors of a step's inputs, or of its randomness, to the device "meta"."""
    if isinstance(value, Tensor):
        return value.to("meta")
    if isinstance(value, dict):
        return {key: on_meta(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [on_meta(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return type(value)(**{name: on_meta(getattr(value, name)) for name in value.__dataclass_fields__})
    return value


def configured(case: str, tiny_config: Config) -> Config:
    """Return a small configuration of each recipe in which every part of a step is active."""
    config = with_training(tiny_config, ema_decay=0.9, generator_updates=2)
    if case == "paper":
        return config
    if case == "anchored":
        return anchored(tiny_config, ema_decay=0.9).replace(
            latents={"joint": "empirical"},
            network={"pairs": True},
            augmentation={"rotation": 10.0, "code_rotation": 5.0},
        )
    if case == "contrastive":
        return config.replace(objective={"contrastive_weight": 1.0}, network={"normalization": "spectral"})
    robust = recipes.find("robust").apply(load("digits"))
    return robust.replace(
        network={"width": 0.0625},
        latents={"codes": parse_codes("digit:4 style:u")},
        training={"batch_size": 8},
        augmentation={"code_noise": 0.5},
        objective={"mode_seeking_weight": 0.1, "neighbours": 0},
    )


@pytest.mark.parametrize("case", ["paper", "robust", "contrastive", "anchored"])
def test_a_step_reads_no_value_of_a_tensor(
    case: str, tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On "meta" tensors have no values, so that a step which waits for the device would fail."""
    anchors = anchors_of_images(tiny_config) if case == "anchored" else None
    trainer = make_trainer(configured(case, tiny_config), anchors=anchors)
    batches, _, settings = step_inputs(trainer)
    randomness = trainer.sampler.sample(0, settings, trainer.targets())
    if case == "contrastive":
        assert randomness.pairs
    if case == "anchored":
        assert randomness.real_codes and "codes/real" in randomness.augmentations
    model = trainer.model.to("meta")
    parts = {name: optimizer.param_groups[0]["params"] for name, optimizer in trainer.optimizers.items()}
    step = Step(
        model,
        {name: optimizers.adam(torch.nn.ParameterList(part), 1e-3, 0.5) for name, part in parts.items()},
        RealStatistics(model.latents, trainer.config.objective),
        DivergenceGuard({}, torch.device("meta")),
        "float32",
    )
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # "meta" has none
    for _ in range(2):
        values = step(on_meta(batches), on_meta(randomness), settings, on_meta(trainer.targets()))
    assert {value.device.type for value in values.values()} == {"meta"}
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
