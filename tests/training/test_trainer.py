from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from infogan import objective, streams
from infogan.config import AugmentationConfig, Config, ObjectiveConfig, TrainingConfig
from infogan.errors import DivergenceError, StorageError
from infogan.model import InfoGAN
from infogan.training import engine
from infogan.training.trainer import Trainer

CPU = torch.device("cpu")
IMAGES = torch.randint(0, 256, (40, 8, 8, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def changed_config(config: Config, **training: Any) -> Config:
    return config.model_copy(update={"training": TrainingConfig(batch_size=8, **training)})


@pytest.fixture
def trainer(tiny_config: Config) -> Trainer:
    return make_trainer(changed_config(tiny_config))


def make_trainer(config: Config, precision: engine.Precision = "float32") -> Trainer:
    return Trainer(InfoGAN(config), IMAGES, device=CPU, precision=precision)


def copied(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed_parameters(module: torch.nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, value in module.named_parameters() if not torch.equal(value, before[name])}


# --- who receives which gradient -------------------------------------------------------------------------


def test_each_update_changes_its_own_networks(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    model, moved = trainer.model, {}
    update = Trainer._update

    def watched(self: Trainer, name: str, loss: Tensor) -> None:
        before = copied(model)
        update(self, name, loss)
        moved[name] = changed_parameters(model, before)

    monkeypatch.setattr(Trainer, "_update", watched)
    trainer.advance()
    trained = {name for name, _ in model.named_parameters() if not name.startswith("ema.")}
    parts = {name: {key for key in trained if key.startswith(f"{name}.")} for name in (
        "generator", "trunk", "discriminator", "recognition",
    )}  # fmt: skip
    assert list(moved) == ["discriminator", "generator"]
    assert moved["generator"] == parts["generator"]
    assert moved["discriminator"] == trained - parts["generator"]


def test_weights_ask_for_gradients_again_after_a_step(trainer: Trainer) -> None:
    trainer.advance()
    assert all(parameter.requires_grad for parameter in trainer.model.parameters())
    assert not trainer.model.training


def test_recognition_learns_nothing_from_real_images(trainer: Trainer) -> None:
    real = torch.full((8, 1, 8, 8), 0.5)
    trainer.model.train()
    _, bounds, _ = trainer._discriminator_losses([real])
    other = make_trainer(trainer.config)
    other.model.train()
    _, same, _ = other._discriminator_losses(
        [torch.rand(real.shape, generator=torch.Generator().manual_seed(1))]
    )
    assert {name: bound.item() for name, bound in bounds.items()} == {
        name: bound.item() for name, bound in same.items()
    }


def test_every_network_descends_its_own_loss(tiny_config: Config) -> None:
    """One step by hand, from equations 1 and 6; plain gradients, as Adam's first step shows signs only."""
    rates = {"learning_rate_discriminator": 0.1, "learning_rate_generator": 0.1}
    trainer = make_trainer(changed_config(tiny_config, **rates))
    model, weights = InfoGAN(trainer.config), trainer.config.info_weights()
    assert set(weights.values()) == {1.0, 0.1}
    model.train()
    reading = [*model.trunk.parameters(), *model.discriminator.parameters(), *model.recognition.parameters()]
    trainer.optimizers = {
        "discriminator": torch.optim.SGD(trainer.reading.parameters(), lr=0.1),
        "generator": torch.optim.SGD(trainer.model.generator.parameters(), lr=0.1),
    }  # type: ignore[assignment]

    def draw(update: str) -> tuple[Tensor, dict[str, Tensor]]:
        stream = streams.generator(0, f"latents/{update}", 0)
        noise, codes = model.latents.sample_noise(8, stream), model.latents.sample_codes(8, stream)
        return model.latents.join(noise, codes), codes

    def information(features: Tensor, codes: dict[str, Tensor]) -> Tensor:
        posteriors = model.latents.posteriors(model.recognition(features, ("fake",)))
        return sum(weights[name] * posteriors[name].log_prob(codes[name]).mean() for name in codes)

    def descend(loss: Tensor, parameters: list[Tensor]) -> None:
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.sub_(0.1 * gradient)

    latents, codes = draw("discriminator")
    features = model.trunk(model.generator(latents).detach(), ("fake",))
    real = model.discriminator(model.trunk(real_images(trainer.config, 0), ("real",))).sigmoid()
    fake = model.discriminator(features).sigmoid()
    descend(-real.log().mean() - (1 - fake).log().mean() - information(features, codes), reading)
    latents, codes = draw("generator")
    features = model.trunk(model.generator(latents), ("fake",))
    fake = model.discriminator(features).sigmoid()
    descend(-fake.log().mean() - information(features, codes), list(model.generator.parameters()))

    trainer.advance()
    for (name, ours), theirs in zip(trainer.model.named_parameters(), model.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5), name


def real_images(config: Config, step: int) -> Tensor:
    """The batch of a step, from 0 to 1 as the generator's sigmoid."""
    training = config.training
    chosen = IMAGES[streams.batch_indices(training.seed, step, training.batch_size, len(IMAGES))]
    return chosen.permute(0, 3, 1, 2).float() / 255


def test_adam_is_that_of_the_configuration(tiny_config: Config) -> None:
    config = changed_config(
        tiny_config, learning_rate_discriminator=0.1, learning_rate_generator=0.2, beta1=0.3
    )
    for name, rate in (("discriminator", 0.1), ("generator", 0.2)):
        (group,) = make_trainer(config).optimizers[name].param_groups
        assert (group["lr"], group["betas"], group["eps"], group["weight_decay"]) == (
            rate,
            (0.3, 0.999),
            1e-8,
            0,
        )


def test_bystander_gives_the_generator_no_information(tiny_config: Config) -> None:
    base = changed_config(tiny_config)
    moved = {}
    for weight in (1.0, 50.0):
        for informed in (True, False):
            part = ObjectiveConfig(info_weight=weight, generator_information=informed)
            trainer = make_trainer(base.model_copy(update={"objective": part}))
            # D's first update depends on the weight too: what is compared is G's gradient before it.
            trainer._update("generator", _generator_objective(trainer))
            moved[informed, weight] = copied(trainer.model.generator)
    same = all(torch.equal(value, moved[False, 50.0][name]) for name, value in moved[False, 1.0].items())
    other = any(not torch.equal(value, moved[True, 50.0][name]) for name, value in moved[True, 1.0].items())
    assert same and other


def _generator_objective(trainer: Trainer) -> Tensor:
    """G's loss as `advance` puts it together, caught on its way to the update."""
    caught: dict[str, Tensor] = {}

    def catch(name: str, loss: Tensor) -> None:
        caught[name] = loss

    update = trainer._update
    trainer._update = catch  # type: ignore[method-assign]
    trainer.advance()
    trainer._update = update  # type: ignore[method-assign]
    return caught["generator"]


def test_recognition_learns_beside_a_generator_that_ignores_it(tiny_config: Config) -> None:
    part = ObjectiveConfig(generator_information=False)
    trainer = make_trainer(changed_config(tiny_config).model_copy(update={"objective": part}))
    before = copied(trainer.model)
    trainer.advance()
    assert any(name.startswith("recognition.") for name in changed_parameters(trainer.model, before))


# --- what is drawn ---------------------------------------------------------------------------------------


def test_latents_are_drawn_anew_in_each_update_of_each_step(trainer: Trainer) -> None:
    drawn: list[Tensor] = []
    trainer.model.generator.register_forward_pre_hook(lambda _, inputs: drawn.append(inputs[0].clone()))
    for _ in range(3):
        trainer.advance()
    assert len(drawn) == 6
    assert all(latents.shape[0] == 8 for latents in drawn)
    noise = torch.cat([trainer.model.latents.split(latents)[0] for latents in drawn])
    assert len(noise.unique(dim=0)) == 48
    codes = [trainer.model.latents.split(latents)[1]["style"] for latents in drawn]
    assert len(torch.cat(codes).unique()) == 48


def test_the_same_seed_draws_the_same_and_another_does_not(tiny_config: Config) -> None:
    ends = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(ends))  # nothing may depend on the global state
        trainer = make_trainer(changed_config(tiny_config, seed=seed))
        for _ in range(2):
            trainer.advance()
        ends.append(torch.cat([value.flatten() for value in trainer.model.parameters()]))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


@given(
    seed=st.integers(0, 2**63 - 1),
    batch=st.integers(1, 40),
    count=st.integers(1, 60),
    epochs=st.integers(1, 3),
)
def test_every_epoch_shows_every_image_once(seed: int, batch: int, count: int, epochs: int) -> None:
    steps = math.ceil(epochs * count / batch)
    batches = [streams.batch_indices(seed, step, batch, count) for step in range(steps)]
    assert all(len(indices) == batch for indices in batches)  # never partial, also where batch > count
    order = torch.cat(batches)
    for epoch in range(epochs):
        assert sorted(order[epoch * count : (epoch + 1) * count].tolist()) == list(range(count))


def test_epochs_and_seeds_are_shuffled_differently() -> None:
    orders = [streams.batch_indices(seed, step, 100, 100) for seed in (0, 1) for step in (0, 1)]
    assert len(torch.stack(orders).unique(dim=0)) == 4


def test_real_images_are_those_of_the_batch_indices(trainer: Trainer) -> None:
    trainer.step = 7
    assert torch.allclose(trainer._real_images(trainer._batch()), real_images(trainer.config, 7), atol=1e-6)


# --- continuous codes read apart -------------------------------------------------------------------------


def moving(config: Config, **augmentation: Any) -> Trainer:
    policy = AugmentationConfig(**augmentation)
    return make_trainer(changed_config(config).model_copy(update={"augmentation": policy}))


def bounds_of(made: Trainer) -> dict[str, float]:
    made.model.train()
    _, bounds, _ = made._discriminator_losses(made._views(made._batch()))
    return {name: bound.item() for name, bound in bounds.items()}


def test_changes_move_only_the_bounds_of_codes_that_are_read_from_them(tiny_config: Config) -> None:
    """The same networks and latents under two policies: only what is read from changed images differs."""
    one, other = (bounds_of(moving(tiny_config, rotation=turn, code_rotation=10.0)) for turn in (60.0, 90.0))
    continuous = tiny_config.continuous
    assert continuous
    assert set(continuous) < set(one)
    for name in one:
        assert (one[name] == other[name]) == (name in continuous), name


def test_noise_for_codes_moves_only_the_bounds_of_continuous_ones(tiny_config: Config) -> None:
    one, other = (bounds_of(moving(tiny_config, code_noise=grain)) for grain in (0.5, 1.0))
    for name in one:
        assert (one[name] == other[name]) == (name not in tiny_config.continuous), name


def test_noisy_images_have_running_statistics_of_their_own(tiny_config: Config) -> None:
    """Clean generated images are read by statistics that no noise has gone into."""
    found = []
    for grain in (0.5, 4.0):
        made = moving(tiny_config, code_noise=grain)
        bounds_of(made)
        found.append({name: value for name, value in made.model.named_buffers() if value.is_floating_point()})
    noisy = [name for name in found[0] if "noisy_" in name]
    assert noisy
    for name in found[0]:
        assert torch.equal(found[0][name], found[1][name]) == (name not in noisy), name
    plain = moving(tiny_config, rotation=10.0)
    assert not any("noisy_" in name for name, _ in plain.model.named_buffers())


def test_without_it_all_codes_are_read_from_the_same_images(tiny_config: Config) -> None:
    one, other = (bounds_of(moving(tiny_config, rotation=turn)) for turn in (60.0, 90.0))
    assert all(one[name] != other[name] for name in one)


def test_the_generator_learns_continuous_codes_from_images_of_their_own(tiny_config: Config) -> None:
    found = []
    for turn in (60.0, 90.0):
        made = moving(tiny_config, rotation=turn, code_rotation=10.0)
        made.model.train()
        found.append(made._generator_losses("generator")[1])
    for name in tiny_config.continuous:
        assert torch.equal(found[0][name], found[1][name])
        assert found[0][name].requires_grad


# --- neighbours ------------------------------------------------------------------------------------------


def neighbourly(config: Config, nearest: torch.Tensor | None, **objective: Any) -> Trainer:
    settings = {"real_information_weight": 1.0, "neighbours": 2} | objective
    config = changed_config(config).replace(
        objective=settings,
        augmentation={"brightness": 1e-9, "all_images": False},  # a policy, which no pixel shows
    )
    return Trainer(InfoGAN(config), IMAGES, device=CPU, precision="float32", nearest=nearest)


def test_the_moved_copy_is_that_of_a_neighbour(tiny_config: Config) -> None:
    nearest = torch.stack([(torch.arange(40) + 1) % 40, (torch.arange(40) + 2) % 40], dim=1)
    made = neighbourly(tiny_config, nearest)
    seen = set()
    for made.step in range(3):
        indices = made._batch()
        real, copies = made._views(indices)
        assert torch.equal(real, made._real_images(indices))
        for index, copy in zip(indices.tolist(), copies, strict=True):
            choices = [made._real_images(nearest[index, k : k + 1])[0] for k in (0, 1)]
            seen |= {k for k in (0, 1) if torch.allclose(copy, choices[k], atol=1e-6)}
            assert any(torch.allclose(copy, choice, atol=1e-6) for choice in choices)
    assert seen == {0, 1}, "drawn anew, among all of them"


def test_neighbours_are_drawn_by_seed_and_step(tiny_config: Config) -> None:
    nearest = torch.stack([(torch.arange(40) + 1) % 40, (torch.arange(40) + 2) % 40], dim=1)
    one, other = neighbourly(tiny_config, nearest), neighbourly(tiny_config, nearest)
    one.step = other.step = 3
    assert torch.equal(one._partners(one._batch()), other._partners(other._batch()))


def test_without_neighbours_the_copy_is_the_images_own(tiny_config: Config) -> None:
    for made in (
        neighbourly(tiny_config, None, neighbours=0),
        neighbourly(tiny_config, None, neighbour_share=0.0),
    ):
        real, copies = made._views(made._batch())
        assert torch.allclose(real, copies, atol=1e-6)


def test_neighbours_that_nobody_looked_for_are_an_error(tiny_config: Config) -> None:
    with pytest.raises(ValueError, match="nearest"):
        neighbourly(tiny_config, None)


# --- the moving average ----------------------------------------------------------------------------------


def test_ema_follows_its_formula_from_its_start(tiny_config: Config) -> None:
    trainer = make_trainer(changed_config(tiny_config, ema_decay=0.75, ema_start=2))
    ema, generator = trainer.model.ema, trainer.model.generator
    assert ema is not None
    expected = copied(generator)
    for step in range(4):
        trainer.advance()
        for name, value in generator.state_dict().items():
            followed = 0.75 * expected[name] + 0.25 * value
            expected[name] = followed if step >= 2 else value.clone()
        for name, value in ema.state_dict().items():
            assert torch.allclose(value, expected[name], atol=1e-6), (step, name)
        same = torch.equal(ema.output.weight, generator.output.weight)
        assert same == (step < 2)  # before its start it is an exact copy


def test_no_decay_means_no_average(trainer: Trainer) -> None:
    trainer.advance()
    assert trainer.model.ema is None
    assert not any(name.startswith("ema") for name in trainer.model.state_dict())


# --- precision -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "native", "matrix"),
    [
        ("processor : 0\nflags\t\t: fpu sse amx_bf16 amx_tile amx_int8\nflags : fpu\n", True, True),
        ("flags\t\t: fpu avx512f avx512_bf16\n", True, False),
        ("flags\t\t: fpu avx512f amx_tile\n", False, False),
        ("flags\t\t: fpu amx_bf16\n", False, False),
        ("flags\t\t: fpu\nflags\t\t: amx_bf16 amx_tile\n", False, False),  # the first speaks for all
        ("Features\t: fp asimd bf16\n", False, False),
        ("", False, False),
    ],
)
def test_bfloat16_is_native_with_matrix_or_vector_units(
    text: str, native: bool, matrix: bool, tmp_path: Path
) -> None:
    flags = tmp_path / "cpuinfo"
    flags.write_text(text)
    assert engine.multiplies_bfloat16(CPU, flags) is native
    assert engine.has_matrix_units(CPU, flags) is matrix


def test_a_system_that_names_no_flags_has_no_native_bfloat16(tmp_path: Path) -> None:
    assert engine.multiplies_bfloat16(CPU, tmp_path / "cpuinfo") is False


@pytest.mark.parametrize("native", [True, False])
def test_auto_follows_the_hardware_and_a_wish_overrules_it(
    native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "multiplies_bfloat16", lambda device: native)
    assert engine.choose_precision("auto", CPU) == ("bfloat16" if native else "float32")
    assert engine.choose_precision("float32", CPU) == "float32"
    assert engine.choose_precision("bfloat16", CPU) == "bfloat16"


def test_bfloat16_is_for_layers_only(tiny_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(changed_config(tiny_config, ema_decay=0.5), "bfloat16")
    layers: set[torch.dtype] = set()
    losses: set[torch.dtype] = set()
    trainer.model.generator.output.register_forward_hook(lambda *call: layers.add(call[2].dtype))
    trainer.model.recognition.output.register_forward_hook(lambda *call: layers.add(call[2].dtype))
    update = trainer._update

    def watched(name: str, loss: Tensor) -> None:
        losses.add(loss.dtype)
        update(name, loss)

    monkeypatch.setattr(trainer, "_update", watched)
    for _ in range(2):
        trainer.advance()
    kept = {**trainer.model.state_dict(), **trainer.optimizer_tensors()}
    gradients = [parameter.grad for parameter in trainer.model.generator.parameters()]
    assert layers == {torch.bfloat16}
    assert losses == {torch.float32}
    assert {value.dtype for value in kept.values()} == {torch.float32}
    assert {gradient.dtype for gradient in gradients if gradient is not None} == {torch.float32}


# --- divergence ------------------------------------------------------------------------------------------


def broken_loss(value: float, which: str) -> Any:
    """An objective function whose result is `value`, with a gradient."""
    whole = getattr(objective, which)

    def broken(*arguments: Any) -> Any:
        result = whole(*arguments)
        if isinstance(result, dict):
            return {name: bound * 0 + value for name, bound in result.items()}
        return result * 0 + value

    return broken


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1_001.0, -1_001.0])
@pytest.mark.parametrize("which", ["discriminator_loss", "mutual_information_bound"])
def test_divergence_stops_before_any_update(
    which: str, value: float, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.advance()
    before = copied(trainer.model)
    monkeypatch.setattr(objective, which, broken_loss(value, which))
    with pytest.raises(DivergenceError, match="at step 2: ") as caught:
        trainer.advance()
    assert not changed_parameters(trainer.model, before)
    assert trainer.step == 1
    assert "--set learning_rate_generator=0.0002" in caught.value.advice


@pytest.mark.parametrize("value", [math.nan, math.inf, 1_001.0])
def test_divergence_of_the_generators_loss_leaves_the_generator(
    value: float, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copied(trainer.model.generator)
    monkeypatch.setattr(objective, "generator_loss", broken_loss(value, "generator_loss"))
    with pytest.raises(DivergenceError, match=r"at step 1: loss\.generator"):
        trainer.advance()
    assert not changed_parameters(trainer.model.generator, before)


def test_divergence_of_the_generators_bound_leaves_the_generator(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = objective.mutual_information_bound, []

    def second_is_broken(*arguments: Any) -> dict[str, Tensor]:
        calls.append(arguments)
        bounds = whole(*arguments)
        return {name: bound * math.nan for name, bound in bounds.items()} if len(calls) == 2 else bounds

    before = copied(trainer.model.generator)
    monkeypatch.setattr(objective, "mutual_information_bound", second_is_broken)
    with pytest.raises(DivergenceError, match="at step 1: mutual_information"):
        trainer.advance()
    assert not changed_parameters(trainer.model.generator, before)


@pytest.mark.parametrize(("which", "network"), [("discriminator", "trunk"), ("generator", "generator")])
def test_a_broken_gradient_is_not_applied(
    which: str, network: str, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = getattr(trainer.model, network)
    next(module.parameters()).register_hook(lambda gradient: gradient * math.nan)
    before = copied(module)
    with pytest.raises(DivergenceError, match=rf"at step 1: .*gradient.*{which}"):
        trainer.advance()
    assert not changed_parameters(module, before)


# --- what is reported and restored -----------------------------------------------------------------------


def test_the_window_holds_means_in_nats(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    factors = {"discriminator_loss": 1, "generator_loss": 3, "mutual_information_bound": -1}
    for value in (1.0, 2.0):
        with monkeypatch.context() as patched:
            for which, factor in factors.items():
                patched.setattr(objective, which, broken_loss(factor * value, which))
            trainer.advance()
    expected = {
        "loss": {"discriminator": 1.5, "generator": 4.5},
        "mutual_information": {"digit": -1.5, "style": -1.5},
        "ceiling": {"digit": math.log(4)},
        "terms": {},
    }
    peeked, taken = trainer.peek_window(), trainer.take_window()
    assert peeked == taken
    assert {key: taken[key] for key in expected} == expected
    assert set(taken) == {*expected, "terms", "real", "scores"}
    assert trainer.window == {}


def test_restore_goes_on_exactly(tiny_config: Config) -> None:
    config = changed_config(tiny_config, ema_decay=0.9)
    first = make_trainer(config)
    for _ in range(3):
        first.advance()
    kept = (copied(first.model), {k: v.clone() for k, v in first.optimizer_tensors().items()}, first.state())
    second = make_trainer(config)
    second.restore(*kept)
    for trainer in (first, second):
        for _ in range(2):
            trainer.advance()
    assert first.window == second.window
    for ours, theirs in ((first.model.state_dict(), second.model.state_dict()),
                         (first.optimizer_tensors(), second.optimizer_tensors())):  # fmt: skip
        assert list(ours) == list(theirs)
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_restore_refuses_a_state_without_a_moment(trainer: Trainer) -> None:
    trainer.advance()
    optimizer = trainer.optimizer_tensors()
    del optimizer["generator.0.exp_avg"]
    with pytest.raises(StorageError, match=r"generator\.0\."):
        make_trainer(trainer.config).restore(trainer.model.state_dict(), optimizer, trainer.state())
