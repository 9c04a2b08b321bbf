"""k-means and an untrained network under the rules that the model is scored by."""

from collections.abc import Callable

import numpy as np
import torch

from infogan import data
from infogan.config import Config, DataConfig
from infogan.data import Dataset
from infogan.evaluation import baselines, clustering
from infogan.evaluation.batch_norm import average_batches
from infogan.evaluation.clustering import Assignments, Labels
from infogan.model import InfoGAN
from infogan.networks.normalization import BatchNorm


def nearest(kmeans: baselines.Distances) -> Assignments:
    return Assignments(kmeans.train.argmin(1), kmeans.test.argmin(1), kmeans.train.shape[1])


def test_kmeans_finds_what_lies_apart(drawn_dataset: Dataset) -> None:
    train, test = drawn_dataset.train, drawn_dataset.test
    kmeans = baselines.fit_kmeans(train.images[:, :7], test.images[:, :7], 4)
    found = clustering.score(nearest(kmeans), Labels(train.labels, test.labels), seed=0, stream="test")
    assert found["accuracy"] == 1.0
    assert kmeans.features == "pixels"


def test_kmeans_at_chance_where_there_is_nothing_to_find() -> None:
    draw = np.random.default_rng(0)
    images = draw.integers(256, size=(300, 8, 8, 1), dtype=np.uint8)
    assigned = nearest(baselines.fit_kmeans(images[:200], images[200:], 4))
    truth = Labels(draw.integers(4, size=200), draw.integers(4, size=100))
    assert clustering.score(assigned, truth, seed=0, stream="test")["accuracy"] < 0.45


def test_large_images_are_named_as_principal_components() -> None:
    images = np.random.default_rng(0).integers(256, size=(80, 40, 40, 1), dtype=np.uint8)
    kmeans = baselines.fit_kmeans(images[:60], images[60:], 3)
    assert "principal components" in kmeans.features
    assert (kmeans.train.shape, kmeans.test.shape) == ((60, 3), (20, 3))


def test_the_untrained_network_has_other_weights_and_the_statistics_of_real_images(
    config_of: Callable[..., Config],
) -> None:
    digits, config = data.load(DataConfig(source="digits")), config_of("digit:10")
    own, other = InfoGAN(config), baselines.untrained(config, digits.train.images)
    assert not torch.equal(own.recognition.output.weight, other.recognition.output.weight)
    assert not other.trunk.training
    raw = other.recognise(digits.test.images)
    norms = [part for part in other.modules() if isinstance(part, BatchNorm)]
    assert any(
        not torch.equal(part.get_buffer("real_var"), torch.ones_like(part.weight)) for part in norms[-2:]
    )
    # With the start of the running statistics instead, all images would get one answer.
    assert len(raw.argmax(1).unique()) >= 4


def test_the_first_batches_are_averaged_equally() -> None:
    norm = BatchNorm(1, ("real",))
    torch.nn.init.ones_(norm.weight), torch.nn.init.zeros_(norm.bias)
    norm.get_buffer("real_mean").zero_(), norm.get_buffer("real_var").fill_(1.0)
    norm.train()
    for seen, level in enumerate((2.0, 4.0, 9.0)):
        average_batches(norm, seen)
        norm(torch.tensor([[level - 1e-3], [level + 1e-3]]), ("real",))
    assert abs(norm.get_buffer("real_mean").item() - 5.0) < 1e-4
    assert norm.get_buffer("real_var").item() < 1e-4
    average_batches(norm, 500)
    assert norm.momentum == BatchNorm.momentum
