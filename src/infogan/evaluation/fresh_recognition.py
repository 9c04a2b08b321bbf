"""A new Q trained on a frozen G: the information about the codes in generated images.

For the control experiment (section 7.1, Figure 1): L_I of a plain GAN is low either because G ignores its
codes or because Q never learned to predict them. A new Q that is trained on the frozen generator until it
stops improving distinguishes the two. A code that it predicts may still have no meaning, because it also
uses invisible texture.
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
from infogan.evaluation.mutual_information import fit_stds, score_codes
from infogan.evaluation.subject import Subject
from infogan.latents import Codes, Latents
from infogan.model import InfoGAN

_STREAM = "fresh recognition"
_READ_BATCH = 256
_STATISTICS_IMAGES, _STATISTICS_BATCH = 1_024, 128

Fakes = tuple[UInt8[np.ndarray, "_ h w c"], Codes]
"""Generated images and their codes."""


@dataclass(frozen=True)
class Budget:
    """Length of the training of a new Q, and its criterion of convergence.

    Attributes:
        max_steps: largest number of steps of Adam.
        patience: steps without a better held-out bound of any code after which training ends. Q may stay at
            0 nats for a hundred steps before it learns a code.
        check_every: steps between evaluations of the held-out bound.
        batch_size: newly generated images per step.
        learning_rate: learning rate of Adam, with beta1 = .5, as in training.
        least_gain: the least improvement of the bound, in nats, that resets `patience`.
        held_out: generated images that choose the best step of each code.
    """

    max_steps: int = 3_000
    patience: int = 200
    least_gain: float = 0.002
    check_every: int = 25
    batch_size: int = 128
    learning_rate: float = 1e-3
    held_out: int = 2_000


class FreshRecognition(nn.Module):
    """A newly initialised recognition head, and trunk or encoder, with the architecture of the model."""

    def __init__(self, model: InfoGAN, *, seed: int) -> None:
        super().__init__()
        style = networks.Style(model.config.network.width, model.table.leak)
        with torch.device("meta"):
            self.trunk = networks.Trunk(
                model.table, model.channels, model.size, style, encoder=model.encoder is not None
            )
            self.recognition = networks.Recognition(
                model.table, self.trunk.features, model.latents.posterior_width, style
            )
        self.to_empty(device="cpu")
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
        networks.initialise(self, streams.generator(seed, f"evaluation/{_STREAM}/weights"))
        self.to(model.device)
        self.output = model.table.output

    def forward(self, images: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n outputs"]:
        """Return raw outputs, with the batch norm of generated images."""
        raw: Tensor = self.recognition(self.trunk(edge.to_float(images, self.output), ("fake",)), ("fake",))
        return raw

    @torch.no_grad()
    def update_statistics(self, images: UInt8[np.ndarray, "n h w c"]) -> None:
        """Set batch norm's running statistics to those of `images` under the current weights.

        The weights change faster than a moving average follows: with the average, a good Q would have a bound
        of minus hundreds of nats.
        """
        self.train()
        device = next(self.parameters()).device
        for seen, part in enumerate(torch.split(torch.from_numpy(images), _STATISTICS_BATCH)):
            average_batches(self, seen)
            self(part.to(device))

    @torch.inference_mode()
    def predict(self, images: UInt8[np.ndarray, "n h w c"]) -> Float[Tensor, "n outputs"]:
        """Return raw outputs on the CPU, with running statistics."""
        self.eval()
        device = next(self.parameters()).device
        parts = torch.split(torch.from_numpy(images), _READ_BATCH)
        return torch.cat([self(part.to(device)).float().cpu() for part in parts])


def fit_recognition(
    model: InfoGAN, *, budget: Budget | None = None, samples: int = 10_000, seed: int = 0
) -> dict[str, Any]:
    """Train a new Q on a frozen generator, and return the bound that it reaches.

    The best step of each code is chosen on held-out generated images and scored on others: each figure is a
    lower bound of I(c; x) without a selection bias.

    Args:
        model: its generator is used with running statistics; none of its weights change.
        budget: length of the training.
        samples: generated images of the final score.
        seed: of the new weights and of all latents.

    Returns:
        `codes`, as in `mutual_information.score_codes`, with the `best_step` of each; `curve`, the held-out
        bound in nats by code (`mutual_information`) at each `step`, with the std that Q itself gives; `steps`
        taken; `converged`, false if `max_steps` ended the training.
    """
    budget = budget or Budget()
    subject = Subject(model, samples=samples, seed=seed)
    held_out = subject.sample(budget.held_out, f"{_STREAM}/held out")
    q = FreshRecognition(model, seed=seed)
    with torch.inference_mode(False), torch.enable_grad():
        curve, best, converged = _fit(subject, q, budget, held_out)
    scored = subject.sample(samples, f"{_STREAM}/score")
    return {
        "codes": _score_best(model, q, best, held_out, scored),
        "curve": curve,
        "steps": curve[-1]["step"],
        "converged": converged,
    }


class _Best(NamedTuple):
    """The best evaluation of one code: its held-out bound in nats, the step, and the parameters."""

    nats: float
    step: int
    parameters: dict[str, Tensor]


def _fit(
    subject: Subject, q: FreshRecognition, budget: Budget, held_out: Fakes
) -> tuple[list[dict[str, Any]], dict[str, _Best], bool]:
    """Train `q`; return the curve, the best evaluation of each code, and whether training converged."""
    optimizer = torch.optim.Adam(q.parameters(), lr=budget.learning_rate, betas=(0.5, 0.999))
    statistics, _ = subject.sample(_STATISTICS_IMAGES, f"{_STREAM}/statistics")
    latents = subject.model.latents
    curve: list[dict[str, Any]] = []
    best: dict[str, _Best] = {}
    step = gained = 0
    for step in range(budget.max_steps + 1):
        if step % budget.check_every == 0 or step == budget.max_steps:
            q.update_statistics(statistics)
            bounds = objective.mutual_information_bound(latents, q.predict(held_out[0]), held_out[1])
            nats = {name: float(bound) for name, bound in bounds.items()}
            curve.append({"step": step, "mutual_information": nats})
            if any(name not in best or nats[name] > best[name].nats + budget.least_gain for name in nats):
                gained = step
            better = [name for name in nats if name not in best or nats[name] > best[name].nats]
            parameters = copy.deepcopy(q.state_dict()) if better else {}
            best |= {name: _Best(nats[name], step, parameters) for name in better}
            if step - gained >= budget.patience:
                break
        if step < budget.max_steps:
            _step(latents, q, optimizer, subject.sample(budget.batch_size, f"{_STREAM}/batch {step}"))
    return curve, best, step - gained >= budget.patience


def _score_best(
    model: InfoGAN, q: FreshRecognition, best: Mapping[str, _Best], held_out: Fakes, scored: Fakes
) -> dict[str, dict[str, Any]]:
    """Return each code's score on `scored`, with the parameters that were best on `held_out`."""
    scores: dict[str, dict[str, Any]] = {}
    for step in sorted({code.step for code in best.values()}):
        names = [name for name, code in best.items() if code.step == step]
        q.load_state_dict(best[names[0]].parameters)
        stds = fit_stds(model.latents, q.predict(held_out[0]), held_out[1])
        of_all = score_codes(model.latents, q.predict(scored[0]), scored[1], stds)
        scores |= {name: of_all[name] | {"best_step": step} for name in names}
    return {name: scores[name] for name in model.latents.priors}


def _step(latents: Latents, q: FreshRecognition, optimizer: torch.optim.Optimizer, fakes: Fakes) -> None:
    """Take one step on the sum of the codes' bounds, without the weights of equation 6."""
    images, codes = fakes
    q.train()
    raw = q(torch.from_numpy(images).to(next(q.parameters()).device))
    on_device = {name: values.to(raw.device) for name, values in codes.items()}
    bounds = objective.mutual_information_bound(latents, raw, on_device)
    optimizer.zero_grad()
    torch.autograd.backward(-torch.stack(list(bounds.values())).sum())
    optimizer.step()
