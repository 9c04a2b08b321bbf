"""A contrastive encoder: features learned from two augmented views of each image, without labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from infogan import streams
from infogan.images import to_float
from infogan.networks import Architecture, Layer, Stack, Style, Trunk, encoder_rows, initialise
from infogan.networks.layers import Dense
from infogan.networks.normalization import BatchNorm
from infogan.representation.views import Views, apply_views, sample_views

_ENCODE_BATCH = 64  # each batch is padded to it, so that an image's features do not depend on its batch
_HIDDEN, _PROJECTED = 256, 64
_LOWEST_RATE = 0.02  # of the learning rate, at the end of the schedule

State = dict[str, Tensor]
"""Everything that a training needs to resume, by name; it fits a safetensors file."""


@dataclass(frozen=True)
class ContrastiveSettings:
    """Hyperparameters of the encoder's training; the encoder is a function of them and the images.

    Attributes:
        steps: number of optimizer steps, which sets the learning-rate schedule.
        seed: random seed.
        views: the augmentations.
        batch_size: images per step; reduced to the number of images.
        temperature: of the similarities.
        learning_rate: of AdamW at the first step; it falls along a cosine to a fiftieth.
        weight_decay: of AdamW.
        bfloat16: compute layers in bfloat16; weights, statistics and the loss stay float32.
        width: factor of the encoder's number of channels, as `network.width`.
    """

    steps: int
    seed: int = 0
    views: Views = field(default_factory=Views)
    batch_size: int = 128
    temperature: float = 0.2
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    bfloat16: bool = False
    width: float = 1.0


class Encoder(nn.Module):
    """Convolutions and global average pooling: images to features on the unit sphere.

    Args:
        channels: of the images, 1, 3 or 4.
        size: height and width of the images in pixels.
        seed: of the initial weights.
        width: factor of the number of channels.

    Attributes:
        trunk: the layers, whose state fits a trunk of the same rows in another network.
    """

    def __init__(self, channels: int, size: int, *, seed: int = 0, width: float = 1.0) -> None:
        super().__init__()
        self.channels, self.size = channels, size
        rows = (*encoder_rows(size), Layer("pool", 0))
        with torch.device("meta"):  # torch's own initialisation would use the global random state
            self.trunk = Trunk(Architecture(rows, (), ()), channels, size, Style(width, leak=0.0))
        _allocate(self, streams.generator(seed, "contrastive/encoder"))

    @torch.inference_mode()
    def features(self, images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n features"]:
        """Return the features of images, float32 of length 1 each, with the running statistics of batch norm.

        Args:
            images: uint8, of the encoder's size and channels.

        Raises:
            ValueError: the images have another shape.
        """
        if images.shape[1:] != (self.size, self.size, self.channels):
            raise ValueError(
                f"images of shape {list(images.shape)}; this encoder reads "
                f"[N, {self.size}, {self.size}, {self.channels}]"
            )
        self.trunk.eval()
        parts = [
            self._features(torch.from_numpy(np.ascontiguousarray(images[start : start + _ENCODE_BATCH])))
            for start in range(0, len(images), _ENCODE_BATCH)
        ]
        return np.concatenate(parts)

    def _features(self, images: UInt8[Tensor, "n h w c"]) -> Float[np.ndarray, "n features"]:
        missing = _ENCODE_BATCH - len(images)
        padded = torch.cat([images, images[:1].expand(missing, -1, -1, -1)]) if missing else images
        raw = self.trunk(to_float(padded, "tanh"), ("real",))
        return np.asarray(F.normalize(raw, dim=1)[: len(images)].numpy())


def contrastive_loss(
    projections: Float[Tensor, "views d"], indices: Int64[Tensor, " n"], temperature: float
) -> Float[Tensor, ""]:
    """Compute InfoNCE in nats: find the other view of an image among all views of the batch.

    The similarity is the cosine over the temperature (Chen et al. 2020: NT-Xent; van den Oord et al. 2018:
    InfoNCE). Copies of one image in a batch are not negatives of each other.

    Args:
        projections: of a first view of each image, followed by those of the second views.
        indices: of the images; equal numbers mean the same image.
        temperature: above 0.
    """
    count = len(indices)
    directions = F.normalize(projections.float(), dim=1)
    similarity = directions @ directions.t() / temperature
    target = torch.arange(2 * count, device=projections.device).roll(count)
    both = indices.repeat(2)
    excluded = (both[:, None] == both).scatter(1, target[:, None], False)
    return F.cross_entropy(similarity.masked_fill(excluded, -math.inf), target)


class ContrastiveTraining:
    """The training of an encoder, step by step; it can stop and resume at any step with the same result.

    Args:
        images: uint8 [N, H, W, C] with at least two images; square, of 1, 3 or 4 channels.
        settings: the hyperparameters.

    Attributes:
        encoder: the network that is trained; complete after `finish`.
        step: number of steps done.
    """

    def __init__(self, images: UInt8[np.ndarray, "n h w c"], settings: ContrastiveSettings) -> None:
        self.images, self.settings, self.step = images, settings, 0
        size = min(settings.batch_size, len(images))
        self._order = streams.BatchOrder(settings.seed, size, len(images))
        self.encoder = Encoder(images.shape[3], images.shape[1], seed=settings.seed, width=settings.width)
        self.projection = _projection(self.encoder.trunk.features, settings.seed)
        self._networks = nn.ModuleDict({"encoder": self.encoder, "projection": self.projection})
        self._optimizer = torch.optim.AdamW(
            self._networks.parameters(),
            settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )

    def train_step(self) -> float:
        """Make one optimizer step, and return the loss in nats."""
        settings = self.settings
        indices = self._order.indices(self.step)
        rng = streams.generator(settings.seed, "contrastive/views", self.step)
        batch = to_float(torch.from_numpy(self.images[indices.numpy()]), "tanh").contiguous()
        pair = torch.cat([batch, batch])
        views = apply_views(pair, settings.views, sample_views(len(pair), rng))
        self._networks.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bfloat16):
            projections = self.projection(self.encoder.trunk(views, ("real",)), ("real",))
        loss = contrastive_loss(projections, indices, settings.temperature)
        for group in self._optimizer.param_groups:
            group["lr"] = settings.learning_rate * _schedule(self.step / settings.steps)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self.step += 1
        return float(loss.detach())

    def state(self) -> State:
        """Return a copy of the weights, the optimizer's moments and the step."""
        tensors = {f"network.{name}": value for name, value in self._networks.state_dict().items()}
        for index, moments in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
        copies = {name: value.detach().clone() for name, value in tensors.items()}
        return copies | {"step": torch.tensor(self.step)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Resume from a state of a training with the same images and settings."""
        self.step = int(state["step"])
        prefix = "network."
        weights = {name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)}
        self._networks.load_state_dict(weights)
        parameters = list(self._networks.parameters())
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in state.items():
            if name.startswith("optimizer."):
                _, index, moment = name.split(".")
                # The fused optimizer needs the memory order of the weights, which files do not keep.
                same = torch.empty_like(parameters[int(index)] if value.ndim else value)
                moments.setdefault(int(index), {})[moment] = same.copy_(value)
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})

    def finish(self) -> Encoder:
        """Return the encoder, with the statistics of real images as those of generated images, too."""
        for part in self.encoder.modules():
            if isinstance(part, BatchNorm):
                for moment in ("mean", "var"):
                    part.get_buffer(f"fake_{moment}").copy_(part.get_buffer(f"real_{moment}"))
        return self.encoder.eval()


def train_encoder(
    images: UInt8[np.ndarray, "n h w c"],
    settings: ContrastiveSettings,
    *,
    state: Mapping[str, Tensor] | None = None,
    after_step: Callable[[ContrastiveTraining, float], None] | None = None,
) -> Encoder:
    """Train an encoder on images, and return it.

    Args:
        images: uint8 [N, H, W, C] with at least two images; square, of 1, 3 or 4 channels.
        settings: the hyperparameters; the result is a function of them and the images.
        state: of an earlier training with the same arguments, to resume it.
        after_step: called after each step with the training and its loss, to report progress and to keep
            `training.state()`; an exception that it raises ends the training.
    """
    training = ContrastiveTraining(images, settings)
    if state is not None:
        training.load_state(state)
    while training.step < settings.steps:
        loss = training.train_step()
        if after_step is not None:
            after_step(training, loss)
    return training.finish()


def _projection(features: int, seed: int) -> Stack:
    """Return the head whose outputs the loss compares; the features are better without it (Chen et al.)."""
    with torch.device("meta"):
        norm = BatchNorm(_HIDDEN, ("real",))
        head = Stack([Dense(features, _HIDDEN), norm, nn.ReLU(), nn.Linear(_HIDDEN, _PROJECTED)])
    _allocate(head, streams.generator(seed, "contrastive/projection"))
    return head


def _allocate(module: nn.Module, rng: torch.Generator) -> None:
    """Give a module on "meta" its memory and initial weights."""
    module.to_empty(device="cpu")
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
    initialise(module, rng)


def _schedule(progress: float) -> float:
    """Return the share of the learning rate at a progress from 0 to 1."""
    return max(_LOWEST_RATE, 0.5 * (1 + math.cos(math.pi * progress)))
