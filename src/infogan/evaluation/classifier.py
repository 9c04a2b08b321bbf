"""A small convolutional classifier, trained with labels on real images, that is independent of the model.

It has 3x3 convolutions with ReLU and max pooling until fewer than 7 pixels are left, and one hidden layer.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from infogan import images as edge
from infogan import streams
from infogan.evaluation.subject import Subject

_BATCH = 128
_EPOCHS = 12
_STEPS = (400, 1_200)  # minimum and maximum, for any size of the data set
_LEARNING_RATE = 2e-3
_INFERENCE_BATCH = 500


class Classifier(nn.Module):
    """Predicts classes of images, uint8 [N, H, W, C].

    Args:
        size: height and width of the images.
        channels: channels of the images.
        classes: the label of each output, ascending.
        seed: random seed of the weights.
    """

    def __init__(self, size: int, channels: int, classes: Int[np.ndarray, " c"], *, seed: int) -> None:
        super().__init__()
        self.classes = classes
        blocks: list[nn.Module] = []
        width = 16
        # On "meta" torch's own initialisation does not use the global random generator.
        with torch.device("meta"):
            while size >= 7:
                blocks += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
                channels, width, size = width, min(2 * width, 128), size // 2
            blocks += [nn.Flatten(), nn.Linear(channels * size * size, 128), nn.ReLU()]
            self.layers = nn.Sequential(*blocks, nn.Linear(128, len(classes)))
        self.to_empty(device="cpu")
        rng = streams.generator(seed, "evaluation/classifier/weights")
        with torch.no_grad():
            for layer in self.layers:
                if isinstance(layer, nn.Conv2d | nn.Linear):
                    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
                    layer.bias.zero_()  # type: ignore[union-attr]

    def forward(self, images: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n classes"]:
        """Return logits, in the order of `classes`."""
        logits: Tensor = self.layers(edge.to_float(images, "tanh"))
        return logits

    def predict(self, images: UInt8[np.ndarray, "n h w c"]) -> Int[np.ndarray, " n"]:
        """Return the most probable class of each image."""
        return np.asarray(self.classes[self._apply_in_batches(images, self.layers).argmax(1)])

    def features(self, images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n 128"]:
        """Return the hidden layer before the logits, after its ReLU."""
        return self._apply_in_batches(images, nn.Sequential(*list(self.layers)[:-1]))

    @torch.inference_mode()
    def _apply_in_batches(self, images: UInt8[np.ndarray, "n h w c"], layers: nn.Sequential) -> np.ndarray:
        device = next(self.parameters()).device
        parts = []
        for start in range(0, max(len(images), 1), _INFERENCE_BATCH):
            part = torch.from_numpy(np.ascontiguousarray(images[start : start + _INFERENCE_BATCH]))
            parts.append(layers(edge.to_float(part.to(device), "tanh")).cpu().numpy())
        return np.concatenate(parts)


def train_classifier(
    images: UInt8[np.ndarray, "n h w c"],
    labels: Int[np.ndarray, " n"],
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Classifier:
    """Train a classifier: Adam, a learning rate that falls as a cosine, 400 to 1,200 steps of 128.

    Args:
        images: real training images, uint8.
        labels: the class of each image.
        seed: random seed of the weights and of the order of the images.
        device: device of the classifier.
    """
    classes = np.unique(labels)
    targets = torch.from_numpy(np.searchsorted(classes, labels))
    model = Classifier(images.shape[1], images.shape[3], classes, seed=seed).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=_LEARNING_RATE)
    steps = min(max(_EPOCHS * len(images) // _BATCH, _STEPS[0]), _STEPS[1])
    epochs = math.ceil(steps * _BATCH / len(images))
    rngs = (streams.generator(seed, "evaluation/classifier/order", epoch) for epoch in range(epochs))
    order = torch.cat([torch.randperm(len(images), generator=rng) for rng in rngs])
    with torch.inference_mode(False), torch.enable_grad():
        for step, chosen in enumerate(torch.split(order[: steps * _BATCH], _BATCH)):
            optimizer.param_groups[0]["lr"] = _LEARNING_RATE * (1 + math.cos(math.pi * step / steps)) / 2
            x = torch.from_numpy(images[chosen.numpy()]).to(device)
            loss = F.cross_entropy(model(x), targets[chosen].to(device))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    return model.eval()


def subject_classifier(subject: Subject) -> Classifier:
    """Return a classifier trained on the labelled training images. Call it with `subject.once`."""
    train = subject.real.train
    assert train.labels is not None
    return train_classifier(train.images, train.labels, seed=subject.seed, device=subject.model.device)
