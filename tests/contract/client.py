"""What a user writes; `test_public_face` type-checks it from outside the package."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import torch
from torch import Tensor, nn

import infogan
from infogan.api import Encoded, Sorted
from infogan.config import DataConfig
from infogan.diagnosis import Diagnosis

images = np.zeros((40, 16, 16, 1), np.uint8)
labels = np.zeros(40, np.int64)

model = infogan.train(
    images,
    labels=labels,
    codes="type:10 style:u",
    steps=10,
    seed=0,
    size=16,
    device="cpu",
    precision="float32",
)
assert_type(model, infogan.InfoGAN)
assert_type(infogan.train(torch.from_numpy(images), progress=False), infogan.InfoGAN)
assert_type(infogan.train("mnist", recipe="paper", codes={"digit": infogan.Categorical(10)}), infogan.InfoGAN)
assert_type(infogan.resume("runs/mnist-001", steps=20), infogan.InfoGAN)
assert_type(infogan.load("runs/mnist-001"), infogan.InfoGAN)
assert_type(infogan.evaluate(model, images, labels=labels, samples=100), dict[str, Any])
assert_type(infogan.select(["runs/mnist-001", "runs/mnist-002"]), dict[str, Any])
assert_type(infogan.discover("my_images", minutes=5), dict[str, Any])
config = infogan.configure("mnist", settings={"training.steps": 100})
assert_type(config, infogan.Config)
assert_type(config.training.steps, int)
infogan.report("runs/mnist-001")
assert_type(infogan.encode("runs/mnist-001", "my_images", out="codes.csv"), Encoded)
assert_type(infogan.sort("runs/mnist-001", images, out="sorted", by=["digit"]), Sorted)
assert_type(infogan.export_model("runs/mnist-001", "onnx"), Path)
assert_type(infogan.doctor(), Diagnosis)
infogan.explore(Path("runs/mnist-001"), port=8421)
infogan.load_plugin("my_plugin.py")
infogan.train("mnist", steps="many")  # type: ignore[arg-type]
infogan.train("mnist", precision="half")  # type: ignore[arg-type]
infogan.train("mnist", stepz=3)  # type: ignore[call-arg]


@infogan.term("brightness", player="generator", weight=0.5)
def brightness(inputs: infogan.TermInputs) -> Tensor:
    """Keep the mean brightness of generated images near 0.3."""
    return (inputs.generated.mean() - 0.3).abs()


@infogan.metric("brightest image")
def brightest(subject: infogan.Subject) -> dict[str, Any]:
    """Return the highest mean of a generated image."""
    return {"brightest": float(subject.model.sample(subject.samples).mean(axis=(1, 2, 3)).max())}


@infogan.network("linear")
def linear(shape: infogan.NetworkShape) -> infogan.Networks:
    """Build a generator of one layer."""
    return infogan.Networks(nn.Sequential(nn.Linear(shape.latents, 64), nn.Unflatten(1, shape.image)))


@infogan.source("zeros", about=infogan.About(images="40 black images"))
def zeros(config: DataConfig) -> infogan.Found:
    """Black images."""
    return infogan.Found(infogan.Split(images, labels))


@infogan.sink("steps")
class Steps(infogan.Sink):
    """Collects steps."""

    def metrics(self, line: Mapping[str, Any]) -> None:
        """Print the step."""
        print(line["step"])


infogan.train("mnist", terms=[brightness], model=linear, log_to=[Steps])
