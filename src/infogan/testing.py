"""Checks that every data source, network, loss term and metric passes, infogan's own and those of plug-ins.

    import infogan.testing

    def test_my_term():
        infogan.testing.check_term("brightness")

Each check raises AssertionError with a sentence that says what is wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from infogan import data, streams
from infogan.config import Categorical, Code, Config, DataConfig, LatentsConfig, NetworkConfig, Uniform
from infogan.config.schedule import Schedule
from infogan.data.dataset import Dataset, Split
from infogan.data.source import SOURCES
from infogan.evaluation import evaluate
from infogan.evaluation.metric import METRICS
from infogan.model import InfoGAN
from infogan.networks import NETWORKS
from infogan.training.anchors import Anchors
from infogan.training.engine import Precision
from infogan.training.terms import TERMS, with_term
from infogan.training.trainer import Trainer

_SIZE, _COUNT = 16, 48


def check_source(name: str, *, path: str | None = None, size: int | None = None) -> Dataset:
    """Check that a data source returns valid images, and the same ones each time.

    Args:
        name: name of a registered source.
        path: path of its images, as in `data.path`.
        size: side of the images in pixels, as `data.size` has it.

    Returns:
        The data set, for further checks.
    """
    config = DataConfig(source=name, path=path, size=size)
    first, second = SOURCES.find(name).read(config), SOURCES.find(name).read(config)
    assert type(first) is type(second), f"{name}: two calls return {type(first)} and {type(second)}"
    dataset = data.load(config)
    for split, part in (("training", dataset.train), ("test", dataset.test)):
        count, height, width, channels = part.images.shape
        assert part.images.dtype == np.uint8, f"{name}: {split} images are {part.images.dtype}, not uint8"
        assert height == width and channels in (1, 3, 4), f"{name}: {split} images are {part.images.shape}"
        assert count, f"{name}: there is no {split} image"
    again = data.load(config)
    assert again.fingerprint == dataset.fingerprint, f"{name}: two calls return different images"
    return dataset


def check_network(name: str, *, size: int = _SIZE, channels: int = 1) -> InfoGAN:
    """Check the networks of a plug-in.

    Their shapes must fit the images and the latents, one training step must change all weights, and all
    weights must be saved.

    Args:
        name: name of the registered networks.
        size: height and width of the images in pixels.
        channels: number of channels of the images.

    Returns:
        A model with these networks after one step of training.
    """
    assert name in NETWORKS, f"no networks are registered as {name!r}"
    config = _config(NetworkConfig(architecture=name), size=size, channels=channels)
    model, again = InfoGAN(config), InfoGAN(config)
    for key, value in model.state_dict().items():
        same = torch.equal(value, again.state_dict()[key])
        assert same, (
            f"{name}: {key} differs between two models with the same seed: do not set a seed when you "
            "initialise it"
        )
    images = model.sample(4, seed=0)
    assert images.shape == (4, size, size, channels), f"{name}: generated images are {images.shape}"
    before = {key: value.clone() for key, value in model.named_parameters()}
    _trainer(model).advance()
    unchanged = [key for key, value in model.named_parameters() if torch.equal(value, before[key])]
    assert not unchanged, f"{name}: a step of training did not change {', '.join(unchanged)}"
    again.load_tensors(model.state_dict(), name)
    assert np.array_equal(again.sample(4, seed=0), model.sample(4, seed=0)), (
        f"{name}: weights are not all saved"
    )
    return model


def check_term(name: str) -> float:
    """Check that a loss term is a finite scalar and that it trains the right networks.

    It must also be finite if the layers compute in bfloat16. A term of the generator must change no
    other network.

    Args:
        name: name of a registered loss term.

    Returns:
        The value of the term in the first step.
    """
    term = TERMS.find(name)
    assert term.weight, f"{name}: its weight is 0 at every step"
    plain = _config(NetworkConfig(width=0.125)).replace(augmentation={"shift": 0.05})
    config = with_term(plain, name, Schedule.of(max(term.weight.values)))
    with_it, without = _trainer(InfoGAN(config)), _trainer(InfoGAN(plain))
    with_it.advance()
    without.advance()
    value = with_it.window.means()[name]
    fast = _trainer(InfoGAN(config), "bfloat16")
    fast.advance()
    lower = fast.window.means()[name]
    assert math.isfinite(lower), f"{name}: its value is {lower} if the layers compute in bfloat16"
    assert math.isfinite(value), f"{name}: its value is {value}"
    reached = _changed(with_it.model, without.model)
    if term.player == "generator":
        assert "generator" in reached, f"{name}: no weight of the generator receives a gradient"
        others = sorted(reached - {"generator"})
        assert not others, f"{name}: it changes {', '.join(others)}, but its player is the generator"
    else:
        own = {"trunk", "discriminator", "recognition", "encoder"}
        assert reached & own, f"{name}: no weight of D, Q or their trunks receives a gradient"
    return value


def check_metric(name: str) -> dict[str, Any]:
    """Check that a metric returns finite, reproducible values that can be written as JSON.

    The metric is computed twice with labels, once without labels, and once without real images.

    Args:
        name: name of a registered metric.

    Returns:
        The metric's section of evaluation.json for a small labelled data set.
    """
    assert name in METRICS, f"no metric is registered as {name!r}"
    model = InfoGAN(_config(NetworkConfig(width=0.125)))
    results: list[Mapping[str, Any]] = []
    for labelled in (True, True, False):
        results.append(evaluate(model, _blobs(labelled), only=(name,), samples=64))
    evaluate(model, None, only=(name,), samples=64)
    try:
        json.dumps(results, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{name}: its values are not JSON: {error}") from None
    assert results[0] == results[1], f"{name}: two calls return different values"
    return dict(results[0])


def _config(network: NetworkConfig, *, size: int = _SIZE, channels: int = 1) -> Config:
    codes: dict[str, Code] = {"type": Categorical(3), "style": Uniform(info_weight=0.1)}
    config = Config(
        data=DataConfig.model_validate({"source": "folder", "size": size, "channels": channels}),
        latents=LatentsConfig(noise=4, codes=codes),
        network=network,
    )
    return config.replace(training={"batch_size": 8, "precision": "float32", "device": "cpu"})


def _trainer(model: InfoGAN, precision: Precision = "float32") -> Trainer:
    rng = streams.generator(0, "testing")
    shape = (_COUNT, model.size, model.size, model.channels)
    images = torch.randint(0, 256, shape, generator=rng).to(torch.uint8)
    anchors = Anchors(model.latents.sample_codes(_COUNT, rng))  # of no effect without the term "anchors"
    return Trainer(model, images, device=torch.device("cpu"), precision=precision, anchors=anchors)


def _changed(model: InfoGAN, other: InfoGAN) -> set[str]:
    """Return the networks that both models have and whose weights differ."""
    others = dict(other.named_parameters())
    shared = [(key, value) for key, value in model.named_parameters() if key in others]
    return {key.partition(".")[0] for key, value in shared if not torch.equal(value, others[key])}


def _blobs(labelled: bool) -> Dataset:
    """Return a data set of two classes: bright at the top, and bright at the bottom."""
    rng = np.random.Generator(np.random.Philox(0))
    labels = np.arange(_COUNT, dtype=np.int64) % 2
    images = rng.integers(0, 64, (_COUNT, _SIZE, _SIZE, 1), dtype=np.uint8)
    images[labels == 0, : _SIZE // 2] += 128
    images[labels == 1, _SIZE // 2 :] += 128
    split = Split(images, labels if labelled else None)
    return Dataset("blobs", split.take(slice(32)), split.take(slice(32, None)))
