"""A fresh Q on a frozen G: what an independent reader finds of the codes in generated images.

For the control experiment (section 7.1, Figure 1): a low L_I of a plain GAN may be G's doing, which then
ignores its codes, or that of a Q which never learned to read them. A Q trained anew on the frozen generator
until it improves no more tells them apart. That a fresh Q reads a code does not make the code meaningful:
it reads invisible texture too.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from infogan import images as edge
from infogan import networks, objective, streams
from infogan.evaluation.batch_norm import average_batches
from infogan.evaluation.mutual_information import fit_stds, fresh_fakes, score_codes
from infogan.evaluation.subject import Progress, silent
from infogan.latents import Codes
from infogan.model import InfoGAN, Weights

_STREAM = "evaluation/fresh recognition"
_READ_BATCH = 256
_STATISTICS_IMAGES, _STATISTICS_BATCH = 1_024, 128

Fakes = tuple[UInt8[np.ndarray, "_ h w c"], Codes]
"""Generated images, and the codes that they were made from."""


@dataclass(frozen=True)
class Budget:
    """How long a fresh Q is trained, and when it counts as converged.

    Attributes:
        max_steps: of Adam, at most.
        patience: steps without a better held-out bound of any code after which training ends. Q may sit at
            0 nats for a hundred steps before it finds anything: less would call a slow code unreadable.
        check_every: steps between looks at the held-out bound.
        batch_size: generated images a step, of fresh latents each.
        learning_rate: of Adam, with beta1 = .5 as in all of InfoGAN.
        least_gain: nats by which a look must beat the best one to count as progress.
        held_out: generated images on which the best step of each code is chosen.
    """

    max_steps: int = 3_000
    patience: int = 200
    least_gain: float = 0.002
    check_every: int = 25
    batch_size: int = 128
    learning_rate: float = 1e-3
    held_out: int = 2_000


class FreshRecognition(nn.Module):
    """A trunk and a recognition head of the model's table, initialised anew: float images to raw outputs."""

    def __init__(self, model: InfoGAN, *, seed: int) -> None:
        super().__init__()
        style = networks.Style(model.config.network.width, model.table.leak)
        with torch.device("meta"):
            self.trunk = networks.Trunk(model.table, model.channels, model.size, style)
            self.recognition = networks.Recognition(
                model.table, self.trunk.features, model.latents.posterior_width, style
            )
        self.to_empty(device="cpu")
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
        networks.initialise(self, streams.generator(seed, f"{_STREAM}/weights"))
        self.to(model.device)
        self.output = model.table.output

    def forward(self, images: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n outputs"]:
        """Raw outputs; generated images have the batch norm of their own kind."""
        raw: Tensor = self.recognition(self.trunk(edge.to_float(images, self.output), ("fake",)), ("fake",))
        return raw

    @torch.no_grad()
    def renew_statistics(self, images: UInt8[np.ndarray, "n h w c"]) -> None:
        """Sets batch norm's running statistics to those of `images` under the weights as they are now.

        A Q that learns from nothing moves faster than a moving average follows: with the average, one that
        reads codes well would seem to be hundreds of nats below nothing.
        """
        self.train()
        device = next(self.parameters()).device
        for seen, part in enumerate(torch.split(torch.from_numpy(images), _STATISTICS_BATCH)):
            average_batches(self, seen)
            self(part.to(device))

    @torch.inference_mode()
    def read(self, images: UInt8[np.ndarray, "n h w c"]) -> Float[Tensor, "n outputs"]:
        """Raw outputs on the CPU, with running statistics."""
        self.eval()
        device = next(self.parameters()).device
        parts = torch.split(torch.from_numpy(images), _READ_BATCH)
        return torch.cat([self(part.to(device)).float().cpu() for part in parts])


def fit_recognition(  # noqa: PLR0913 - what is read, how long, and by which chance
    model: InfoGAN,
    *,
    budget: Budget | None = None,
    samples: int = 10_000,
    seed: int = 0,
    weights: Weights | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Trains a fresh Q on a frozen generator and reports the bound that it reaches.

    The best step is chosen on held-out generated images, for each code apart, and scored on others that
    chose nothing: each figure is a lower bound of I(c; x) without the optimism of its choice.

    Args:
        model: its generator, with running statistics, is read; none of its weights change.
        budget: how long; `Budget()` when left out.
        samples: fresh generated images of the final score.
        seed: of the new weights and of all latents.
        weights: "raw" or "ema".
        progress: is told the held-out bound at each look.

    Returns:
        `codes`, as `mutual_information.score_codes` gives them, with the `best_step` of each; `curve`, the
        held-out bound in nats by code (`mutual_information`) at each `step`, by the std that Q itself
        gives; `steps` taken; `converged`, false where `max_steps` ended it.
    """
    budget = budget or Budget()
    held_out = fresh_fakes(model, budget.held_out, seed=seed, stream=f"{_STREAM}/held out", weights=weights)
    reader = FreshRecognition(model, seed=seed)
    with torch.inference_mode(False), torch.enable_grad():
        curve, best, converged = _fit(model, reader, budget, held_out, (seed, weights, progress))
    scored = fresh_fakes(model, samples, seed=seed, stream=f"{_STREAM}/score", weights=weights)
    steps = curve[-1]["step"]
    return {
        "codes": _score_best(model, reader, best, held_out, scored),
        "curve": curve,
        "steps": steps,
        "converged": converged,
    }


class _Best(NamedTuple):
    """The best look at one code: its held-out bound in nats, the step, and all parameters of then."""

    nats: float
    step: int
    parameters: dict[str, Tensor]


def _fit(
    model: InfoGAN,
    reader: FreshRecognition,
    budget: Budget,
    held_out: Fakes,
    chance: tuple[int, Weights | None, Progress],
) -> tuple[list[dict[str, Any]], dict[str, _Best], bool]:
    """Trains `reader`; the curve, the best look at each code, and whether it had stopped improving."""
    seed, weights, progress = chance
    optimiser = torch.optim.Adam(reader.parameters(), lr=budget.learning_rate, betas=(0.5, 0.999))
    statistics, _ = fresh_fakes(
        model, _STATISTICS_IMAGES, seed=seed, stream=f"{_STREAM}/statistics", weights=weights
    )
    curve: list[dict[str, Any]] = []
    best: dict[str, _Best] = {}
    step = gained = 0
    for step in range(budget.max_steps + 1):
        if step % budget.check_every == 0 or step == budget.max_steps:
            reader.renew_statistics(statistics)
            bounds = objective.mutual_information_bound(model.latents, reader.read(held_out[0]), held_out[1])
            nats = {name: float(bound) for name, bound in bounds.items()}
            curve.append({"step": step, "mutual_information": nats})
            progress(
                f"fresh recognition, step {step}: " + ", ".join(f"{n} {b:.3f} nats" for n, b in nats.items())
            )
            if any(name not in best or nats[name] > best[name].nats + budget.least_gain for name in nats):
                gained = step
            better = [name for name in nats if name not in best or nats[name] > best[name].nats]
            parameters = copy.deepcopy(reader.state_dict()) if better else {}
            best |= {name: _Best(nats[name], step, parameters) for name in better}
            if step - gained >= budget.patience:
                break
        if step < budget.max_steps:
            stream = f"{_STREAM}/batch {step}"
            images, codes = fresh_fakes(model, budget.batch_size, seed=seed, stream=stream, weights=weights)
            _step(model, reader, optimiser, images, codes)
    return curve, best, step - gained >= budget.patience


def _score_best(
    model: InfoGAN, reader: FreshRecognition, best: Mapping[str, _Best], held_out: Fakes, scored: Fakes
) -> dict[str, dict[str, Any]]:
    """Each code's score on `scored`, by the parameters that read it best on `held_out`."""
    scores: dict[str, dict[str, Any]] = {}
    for step in sorted({found.step for found in best.values()}):
        names = [name for name, found in best.items() if found.step == step]
        reader.load_state_dict(best[names[0]].parameters)
        stds = fit_stds(model.latents, reader.read(held_out[0]), held_out[1])
        found = score_codes(model.latents, reader.read(scored[0]), scored[1], stds)
        scores |= {name: found[name] | {"best_step": step} for name in names}
    return {name: scores[name] for name in model.latents.priors}


def _step(
    model: InfoGAN,
    reader: FreshRecognition,
    optimiser: torch.optim.Optimizer,
    images: UInt8[np.ndarray, "n h w c"],
    codes: Codes,
) -> None:
    """One step up the sum of the codes' bounds: each code for itself, without the weights of equation 6."""
    reader.train()
    raw = reader(torch.from_numpy(images).to(model.device))
    here = {name: values.to(raw.device) for name, values in codes.items()}
    bounds = objective.mutual_information_bound(model.latents, raw, here)
    optimiser.zero_grad()
    torch.autograd.backward(-torch.stack(list(bounds.values())).sum())
    optimiser.step()
