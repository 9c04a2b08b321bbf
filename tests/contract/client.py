"""What a user writes; `test_public_face` type-checks it from outside the package."""

from typing import Any, assert_type

import numpy as np
import torch

import infogan

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
infogan.train("mnist", steps="many")  # type: ignore[arg-type]
infogan.train("mnist", precision="half")  # type: ignore[arg-type]
infogan.train("mnist", stepz=3)  # type: ignore[call-arg]
