"""Traps that other implementations fell into: each is built in here, to see that its guard notices.

A guard holds the code to one property and raises AssertionError where it is lost. It must be content with
the code as it is, and must not be with the code as each of its traps would have it. The numbers are those
under which the project collects the traps. Number 9, a bound that is reached by invisible texture, is no
property of one step: it is for the evaluation to show.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from infogan import images as edge
from infogan import latents as latents_module
from infogan import model as model_module
from infogan import networks, objective, streams
from infogan.config import (
    Bernoulli,
    Categorical,
    Config,
    DataConfig,
    LatentsConfig,
    NetworkConfig,
    ObjectiveConfig,
    TrainingConfig,
    TruncatedGaussian,
    Uniform,
)
from infogan.latents import Codes, Latents, NormalPrior, SoftmaxPosterior, UniformPrior
from infogan.model import InfoGAN
from infogan.networks import Discriminator, Stack
from infogan.networks.blocks import Unflatten
from infogan.networks.normalization import BatchNorm
from infogan.training.randomness import Randomness, RandomnessSampler, SampledLatents
from infogan.training.step import Losses, Step
from infogan.training.step_settings import StepSettings
from infogan.training.trainer import Trainer
from tests.training.step_builders import CPU, discriminator_losses, step_inputs, watch_updates

Guard = Callable[[], None]
Mutation = Callable[[pytest.MonkeyPatch], None]

CODES = {"digit": Categorical(7), "style": Uniform(dim=2), "flip": Bernoulli()}
BATCH = 8


def build(
    *, weight: float = 1.0, generator_information: bool = True, table: str = "generic", size: int = 8
) -> InfoGAN:
    return InfoGAN(
        Config(
            data=DataConfig(source="digits", size=size, channels=1),
            latents=LatentsConfig(noise=4, codes=CODES),
            network=NetworkConfig(architecture=table, width=0.125),
            objective=ObjectiveConfig(info_weight=weight, generator_information=generator_information),
            training=TrainingConfig(batch_size=BATCH),
        )
    )


def pictures(count: int, size: int = 8) -> Tensor:
    draw = streams.generator(0, "pictures")
    return torch.randint(256, (count, size, size, 1), generator=draw).to(torch.uint8)


def trainer_of(model: InfoGAN) -> Trainer:
    size = model.config.data.size
    assert size is not None
    return Trainer(model, pictures(BATCH * 3, size), device=CPU, precision="float32")


def values_of(module: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


@contextmanager
def going_well(what: str) -> Iterator[None]:
    """An exception inside is the property lost, too."""
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"{what}: {error}") from error


# --- 1: a softmax in front of a cross-entropy ------------------------------------------------------------


def guard_a_certain_category_is_worth_its_entropy() -> None:
    latents = Latents(LatentsConfig(codes={"digit": Categorical(10)}))
    codes = {"digit": torch.eye(10)}
    bound = objective.mutual_information_bound(latents, codes["digit"] * 100, codes)["digit"]
    assert abs(bound.item() - math.log(10)) < 1e-3


def a_softmax_before_the_softmax(patch: pytest.MonkeyPatch) -> None:
    def twice(self: SoftmaxPosterior, raw: Tensor, size: int) -> None:
        self.log_probabilities = F.log_softmax(raw.unflatten(1, (-1, size)).softmax(-1), dim=-1)

    patch.setattr(SoftmaxPosterior, "__init__", twice)


# --- 2 and 4: who gets the gradient of the bound ---------------------------------------------------------


NETWORKS = ("generator", "trunk", "discriminator", "recognition")


def after_a_step(**changed: Any) -> dict[str, Tensor]:
    """Weights of each network after one step; whatever is not changed, and all chance, is the same."""
    model = build(**changed)
    trainer_of(model).advance()
    return {name: values_of(getattr(model, name)) for name in NETWORKS}


def guard_the_bound_moves_trunk_and_q() -> None:
    without, with_bound = after_a_step(weight=0.0), after_a_step()
    for name in ("trunk", "recognition"):
        assert not torch.equal(without[name], with_bound[name]), f"{name} does not feel the bound"
    assert torch.equal(without["recognition"], values_of(build().recognition)), "Q learns of something else"


def guard_the_bound_moves_g() -> None:
    control, infogan = after_a_step(generator_information=False), after_a_step()
    assert not torch.equal(control["generator"], infogan["generator"]), "G does not feel the bound"
    for name in ("trunk", "discriminator", "recognition"):
        assert torch.equal(control[name], infogan[name]), f"the control arm trains another {name}"


def guard_each_update_moves_its_own_networks() -> None:
    trainer = trainer_of(build())
    updates = watch_updates(trainer)
    trainer.advance()
    assert updates == [
        ("discriminator", {"trunk", "discriminator", "recognition"}),
        ("generator", {"generator"}),
    ]


def the_bound_is_detached(patch: pytest.MonkeyPatch) -> None:
    bound = objective.mutual_information_bound

    def detached(*arguments: Any) -> dict[str, Tensor]:
        return {name: value.detach() for name, value in bound(*arguments).items()}

    patch.setattr(objective, "mutual_information_bound", detached)


def the_bound_is_made_of_detached_outputs(patch: pytest.MonkeyPatch) -> None:
    bound = objective.mutual_information_bound
    patch.setattr(
        objective, "mutual_information_bound", lambda latents, raw, codes: bound(latents, raw.detach(), codes)
    )


def detached_bounds(losses: Losses) -> Losses:
    return replace(losses, bounds={name: bound.detach() for name, bound in losses.bounds.items()})


def the_generator_s_bound_is_detached(patch: pytest.MonkeyPatch) -> None:
    losses = Step.generator_losses
    patch.setattr(Step, "generator_losses", lambda *arguments: detached_bounds(losses(*arguments)))


def q_is_in_the_optimizer_of_g_alone(patch: pytest.MonkeyPatch) -> None:
    build_step, losses = Step.__init__, Step.discriminator_losses
    updates = {"discriminator": ("trunk", "discriminator"), "generator": ("generator", "recognition")}

    def regrouped(self: Step, model: InfoGAN, *arguments: Any, **options: Any) -> None:
        build_step(self, model, *arguments, **options)
        self.frozen = nn.ModuleList([model.trunk, model.discriminator])

    patch.setattr(objective, "UPDATES", updates)
    patch.setattr(Step, "__init__", regrouped)
    patch.setattr(Step, "discriminator_losses", lambda *arguments: detached_bounds(losses(*arguments)))


# --- 3: codes that stay ----------------------------------------------------------------------------------


def guard_every_pass_has_fresh_latents_and_is_scored_by_its_own_codes() -> None:
    model = build()
    trainer = trainer_of(model)
    drawn: list[Tensor] = []
    scored: list[dict[str, Tensor]] = []
    model.generator.register_forward_pre_hook(lambda _, inputs: drawn.append(inputs[0].detach().clone()))
    bound = objective.mutual_information_bound

    def watched(latents: Latents, raw: Tensor, codes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        scored.append(dict(codes))
        return bound(latents, raw, codes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objective, "mutual_information_bound", watched)
        trainer.advance()
        trainer.advance()
    assert len(drawn) == len(scored) == 4  # D's and G's update of two steps
    parts = [model.latents.split(latents) for latents in drawn]
    for (_, codes), used in zip(parts, scored, strict=True):
        assert all(torch.equal(codes[name], used[name]) for name in CODES), "scored by codes of other images"
    for i, (noise, codes) in enumerate(parts):
        for other_noise, other_codes in parts[:i]:
            assert not torch.equal(noise, other_noise), "the noise is the same again"
            for name in ("digit", "style"):
                assert not torch.equal(codes[name], other_codes[name]), f"{name} is the same again"


def _resampled(
    patch: pytest.MonkeyPatch,
    change: Callable[[RandomnessSampler, dict[str, SampledLatents], int], dict[str, SampledLatents]],
) -> None:
    """Change the latents of a step, by update, after they were sampled."""
    sample = RandomnessSampler.sample

    def changed(self: RandomnessSampler, step: int, settings: StepSettings, targets: Codes) -> Randomness:
        randomness = sample(self, step, settings, targets)
        return replace(randomness, latents=change(self, dict(randomness.latents), step))

    patch.setattr(RandomnessSampler, "sample", changed)


def codes_are_drawn_once(patch: pytest.MonkeyPatch) -> None:
    first: list[SampledLatents] = []

    def once(
        sampler: RandomnessSampler, latents: dict[str, SampledLatents], step: int
    ) -> dict[str, SampledLatents]:
        first.extend(latents.values())
        codes = first[0].codes
        noises = {name: sampler.latents.split(part.vector)[0] for name, part in latents.items()}
        return {
            name: SampledLatents(sampler.latents.join(noise, codes), codes) for name, noise in noises.items()
        }

    _resampled(patch, once)


def every_step_draws_the_same(patch: pytest.MonkeyPatch) -> None:
    restart = streams.restart
    patch.setattr(streams, "restart", lambda rng, seed, stream, step=0: restart(rng, seed, stream, 0))


def both_updates_share_their_latents(patch: pytest.MonkeyPatch) -> None:
    _resampled(patch, lambda _, latents, step: dict.fromkeys(latents, latents["discriminator"]))


def codes_are_drawn_anew_for_the_score(patch: pytest.MonkeyPatch) -> None:
    def fresh_codes(
        sampler: RandomnessSampler, latents: dict[str, SampledLatents], step: int
    ) -> dict[str, SampledLatents]:
        return {
            name: replace(
                part, codes=sampler.latents.sample_codes(BATCH, streams.generator(1, f"again/{name}", step))
            )
            for name, part in latents.items()
        }

    _resampled(patch, fresh_codes)


# --- 5: two ranges of images -----------------------------------------------------------------------------


def guard_real_and_generated_images_have_one_range() -> None:
    for table, size in (("generic", 8), ("svhn", 16)):
        model = build(table=table, size=size)
        trainer = trainer_of(model)
        made = model.generator.nonlinearity(torch.tensor([-1e4, 0, 1e4]))
        batches, randomness, _ = step_inputs(trainer)
        (real,) = trainer.make_step.views(batches, randomness)
        assert (real.min(), real.max()) == (made[0], made[2]), f"{table}: real images"
        levels = edge.to_uint8(made.reshape(3, 1, 1, 1), model.table.output).flatten().tolist()
        assert levels == [0, 128, 255], f"{table}: samples"


def the_generator_ends_in_tanh(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(networks.builder.nn, "Sigmoid", nn.Tanh)


def all_data_stay_between_0_and_1(patch: pytest.MonkeyPatch) -> None:
    convert = edge.to_float
    patch.setattr(edge, "to_float", lambda images, output: convert(images, "sigmoid"))


def all_samples_are_taken_to_lie_between_0_and_1(patch: pytest.MonkeyPatch) -> None:
    convert = edge.to_uint8
    patch.setattr(edge, "to_uint8", lambda images, output: convert(images, "sigmoid"))


# --- 6: a prior that is not the code's own ---------------------------------------------------------------


def guard_the_bound_of_a_uniform_code_is_its_information() -> None:
    """Under Gaussian noise and read by its true posterior, the bound is the information itself."""
    noise = 0.5
    latents = Latents(LatentsConfig(codes={"style": Uniform(posterior=TruncatedGaussian())}))
    draw = streams.generator(0, "channel")
    codes = latents.sample_codes(50_000, draw)
    x = codes["style"] + noise * torch.randn(50_000, 1, generator=draw)

    line = torch.linspace(-5, 5, 10_001, dtype=torch.float64)
    density = (torch.special.ndtr((line + 1) / noise) - torch.special.ndtr((line - 1) / noise)) / 2
    entropy = -torch.trapezoid(torch.special.xlogy(density, density), line).item()
    information = entropy - 0.5 * math.log(2 * math.pi * math.e * noise**2)

    raw = torch.cat([x, torch.full_like(x, math.log(noise))], 1)
    bound = objective.mutual_information_bound(latents, raw, codes)["style"].item()
    assert abs(bound - information) < 0.02, "the bound is off by a constant"


def a_uniform_code_has_the_entropy_of_a_normal_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(UniformPrior, "entropy", NormalPrior.entropy)


def the_entropy_is_left_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(UniformPrior, "entropy", 0.0)


def a_uniform_code_is_drawn_from_a_normal_prior(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(UniformPrior, "sample", NormalPrior.sample)


# --- 7: a total that hides dead codes --------------------------------------------------------------------


def guard_a_dead_code_is_seen() -> None:
    latents = Latents(LatentsConfig(codes={"dead": Categorical(4), "alive": Categorical(4)}))
    codes = latents.sample_codes(64, streams.generator(0, "codes"))
    bounds = objective.mutual_information_bound(
        latents, torch.cat([torch.zeros(64, 4), codes["alive"] * 100], 1), codes
    )
    assert abs(bounds["dead"].item()) < 1e-3
    assert abs(bounds["alive"].item() - math.log(4)) < 1e-3


def guard_the_log_has_a_figure_for_each_code() -> None:
    trainer = trainer_of(build())
    seen: list[dict[str, float]] = []
    bound = objective.mutual_information_bound

    def watched(*arguments: Any) -> dict[str, Tensor]:
        bounds = bound(*arguments)
        seen.append({name: value.item() for name, value in bounds.items()})
        return bounds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objective, "mutual_information_bound", watched)
        trainer.advance()
    reported = trainer.take_window()
    assert reported["mutual_information"] == pytest.approx(seen[0])  # of D's update, on which Q learns
    assert reported["ceiling"] == pytest.approx({"digit": math.log(7), "flip": math.log(2)})


def codes_share_their_mean_bound(patch: pytest.MonkeyPatch) -> None:
    bound = objective.mutual_information_bound

    def shared(*arguments: Any) -> dict[str, Tensor]:
        bounds = bound(*arguments)
        mean = torch.stack(list(bounds.values())).mean()
        return dict.fromkeys(bounds, mean)

    patch.setattr(objective, "mutual_information_bound", shared)


def only_a_total_is_logged(patch: pytest.MonkeyPatch) -> None:
    take = Trainer.take_window

    def total(self: Trainer) -> dict[str, Any]:
        line = take(self)
        return line | {"mutual_information": {"total": sum(line["mutual_information"].values())}}

    patch.setattr(Trainer, "take_window", total)


def the_log_shows_weighted_bounds(patch: pytest.MonkeyPatch) -> None:
    make_step = Step.__call__

    def weighted(self: Step, *arguments: Any) -> dict[str, Tensor]:
        values = make_step(self, *arguments)
        return {name: 0.1 * value if "information" in name else value for name, value in values.items()}

    patch.setattr(Step, "__call__", weighted)


# --- 8: shapes that only fit the author's own experiment -------------------------------------------------


def guard_one_image_and_codes_of_any_width_are_read() -> None:
    model = build()
    with going_well("a batch of one"):
        codes = model.encode(pictures(1).numpy())
        assert {name: value.shape for name, value in codes.items()} == {
            "digit": (1, 7),
            "style": (1, 2),
            "flip": (1,),
        }
        with torch.no_grad():
            logits = model.discriminator(model.trunk(torch.rand(1, 1, 8, 8), ("real",)))
        assert logits.shape == (1,)
        raw = torch.randn(1, model.latents.posterior_width)
        values = model.latents.sample_codes(1, streams.generator(0, "codes"))
        for name, posterior in model.latents.posteriors(raw).items():
            assert posterior.log_prob(values[name]).shape == (1,)


def logits_are_squeezed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Discriminator, "forward", lambda self, features: self.output(features).squeeze())


def log_probabilities_are_squeezed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        SoftmaxPosterior,
        "log_prob",
        lambda self, values: (self.log_probabilities.flatten(1) * values).squeeze().sum(-1),
    )


def every_code_is_ten_wide(patch: pytest.MonkeyPatch) -> None:
    def sliced(self: Latents, raw: Tensor) -> dict[str, Any]:
        parts = [raw[:, 10 * i : 10 * (i + 1)] for i in range(len(self.priors))]
        return {
            name: prior.posterior(part)
            for (name, prior), part in zip(self.priors.items(), parts, strict=True)
        }

    patch.setattr(latents_module.Latents, "posteriors", sliced)


# --- 10: batches that look at each other -----------------------------------------------------------------


def trained_model() -> InfoGAN:
    """After some steps its running statistics are far from those of any single batch."""
    model = build()
    trainer = trainer_of(model)
    for _ in range(5):
        trainer.advance()
    return model


def guard_an_image_of_a_traversal_does_not_depend_on_the_others() -> None:
    model = trained_model()
    whole, alone = model.traverse("digit", rows=3), model.traverse("digit", rows=3, values=[2])
    # Products of matrices round differently in batches of other sizes: one grey level, but no more.
    assert np.abs(whole[:, 2].astype(int) - alone[:, 0].astype(int)).max() <= 1


def guard_the_code_of_an_image_does_not_depend_on_the_others() -> None:
    model, images = trained_model(), pictures(6).numpy()
    assert torch.equal(model.recognise(images)[2:3], model.recognise(images[2:3]))


def guard_real_images_are_normalised_apart_from_fakes() -> None:
    seen = []
    for scale in (1.0, 30.0):
        model = build().train()
        with torch.no_grad():
            model.generator.output.weight.mul_(scale)  # other fakes
        model.discriminator.register_forward_pre_hook(
            lambda _, inputs: seen.append(inputs[0][:BATCH].detach())
        )
        discriminator_losses(trainer_of(model))
    assert torch.equal(*seen), "features of real images change with the fakes beside them"


def batches_are_normalised_by_themselves(patch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def training(module: nn.Module) -> Iterator[None]:
        module.train()
        yield

    patch.setattr(model_module, "evaluating", training)


def both_kinds_are_one_batch(patch: pytest.MonkeyPatch) -> None:
    forward = BatchNorm.forward
    patch.setattr(BatchNorm, "forward", lambda self, x, domains: forward(self, x, domains[-1:]))


# --- 11: layer, batch norm, nonlinearity -----------------------------------------------------------------


def guard_batch_norm_stands_between_a_layer_and_its_nonlinearity() -> None:
    layers, ends = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d), (nn.ReLU, nn.LeakyReLU)
    for table, size in (("generic", 8), ("mnist", 28), ("svhn", 32), ("faces", 32), ("chairs", 32)):
        model = build(table=table, size=size)
        norms = 0
        for stack in (module for module in model.modules() if isinstance(module, Stack)):
            blocks = list(stack.blocks)
            for i, block in enumerate(blocks):
                if isinstance(block, BatchNorm):
                    norms += 1
                    assert isinstance(blocks[i - 1], layers), f"{table}: a norm without its layer"
                    assert isinstance(blocks[i + 1], ends), f"{table}: a norm without its nonlinearity"
        assert norms >= 4


def guard_a_picture_is_normalised_in_each_of_its_outputs() -> None:
    model = build(table="mnist", size=28)
    picture = next(block for block in model.generator.hidden.blocks if isinstance(block, Unflatten))
    height, width, channels = picture.shape
    norms = [block for block in model.generator.hidden.blocks if isinstance(block, BatchNorm)]
    assert norms[1].weight.numel() == height * width * channels


def _reordered(patch: pytest.MonkeyPatch, reorder: Callable[[list[nn.Module]], None]) -> None:
    make = Stack.__init__

    def made(self: Stack, blocks: Sequence[nn.Module]) -> None:
        changed = list(blocks)
        reorder(changed)
        make(self, changed)

    patch.setattr(Stack, "__init__", made)


def batch_norm_comes_last(patch: pytest.MonkeyPatch) -> None:
    def reorder(blocks: list[nn.Module]) -> None:
        for i in range(len(blocks) - 1):
            if isinstance(blocks[i], BatchNorm):
                blocks[i], blocks[i + 1] = blocks[i + 1], blocks[i]

    _reordered(patch, reorder)


def a_picture_is_normalised_by_channel(patch: pytest.MonkeyPatch) -> None:
    def reorder(blocks: list[nn.Module]) -> None:
        for i in range(2, len(blocks)):
            if isinstance(picture := blocks[i], Unflatten):
                blocks[i - 2 : i + 1] = [picture, BatchNorm(picture.shape[2], ("fake",)), blocks[i - 1]]

    _reordered(patch, reorder)


# --- every guard, on the code as it is and as each trap would have it ------------------------------------

TRAPS: list[tuple[int, Guard, Sequence[Mutation]]] = [
    (1, guard_a_certain_category_is_worth_its_entropy, [a_softmax_before_the_softmax]),
    (2, guard_the_bound_moves_trunk_and_q, [the_bound_is_detached, the_bound_is_made_of_detached_outputs]),
    (
        2,
        guard_the_bound_moves_g,
        [the_bound_is_detached, the_bound_is_made_of_detached_outputs, the_generator_s_bound_is_detached],
    ),
    (
        3,
        guard_every_pass_has_fresh_latents_and_is_scored_by_its_own_codes,
        [
            codes_are_drawn_once,
            every_step_draws_the_same,
            both_updates_share_their_latents,
            codes_are_drawn_anew_for_the_score,
        ],
    ),
    (4, guard_the_bound_moves_trunk_and_q, [q_is_in_the_optimizer_of_g_alone]),
    (4, guard_each_update_moves_its_own_networks, [q_is_in_the_optimizer_of_g_alone]),
    (
        5,
        guard_real_and_generated_images_have_one_range,
        [
            the_generator_ends_in_tanh,
            all_data_stay_between_0_and_1,
            all_samples_are_taken_to_lie_between_0_and_1,
        ],
    ),
    (
        6,
        guard_the_bound_of_a_uniform_code_is_its_information,
        [
            a_uniform_code_has_the_entropy_of_a_normal_one,
            the_entropy_is_left_out,
            a_uniform_code_is_drawn_from_a_normal_prior,
        ],
    ),
    (7, guard_a_dead_code_is_seen, [codes_share_their_mean_bound]),
    (7, guard_the_log_has_a_figure_for_each_code, [only_a_total_is_logged, the_log_shows_weighted_bounds]),
    (
        8,
        guard_one_image_and_codes_of_any_width_are_read,
        [logits_are_squeezed, log_probabilities_are_squeezed, every_code_is_ten_wide],
    ),
    (
        10,
        guard_an_image_of_a_traversal_does_not_depend_on_the_others,
        [batches_are_normalised_by_themselves],
    ),
    (10, guard_the_code_of_an_image_does_not_depend_on_the_others, [batches_are_normalised_by_themselves]),
    (10, guard_real_images_are_normalised_apart_from_fakes, [both_kinds_are_one_batch]),
    (11, guard_batch_norm_stands_between_a_layer_and_its_nonlinearity, [batch_norm_comes_last]),
    (11, guard_a_picture_is_normalised_in_each_of_its_outputs, [a_picture_is_normalised_by_channel]),
]


@pytest.mark.parametrize(
    "guard", dict.fromkeys(guard for _, guard, _ in TRAPS), ids=lambda guard: guard.__name__
)
def test_a_guard_is_content_with_the_code(guard: Guard) -> None:
    guard()


@pytest.mark.parametrize(
    ("guard", "mutation"),
    [
        pytest.param(guard, mutation, id=f"{number}-{mutation.__name__}-{guard.__name__}")
        for number, guard, mutations in TRAPS
        for mutation in mutations
    ],
)
def test_a_guard_notices_its_trap(guard: Guard, mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation(monkeypatch)
    with pytest.raises(AssertionError):
        guard()


def test_every_guard_is_used() -> None:
    guards = {name for name in globals() if name.startswith("guard_")}
    assert guards == {guard.__name__ for _, guard, _ in TRAPS}
