"""The registry and `load`: what a user of any source relies on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from infogan.config import DataConfig
from infogan.data import SOURCES, About, Dataset, Found, Split, load, source
from infogan.errors import ConfigError, DataError, UsageError
from infogan.plugins import load_plugin


@pytest.fixture
def registered() -> Iterator[None]:
    with SOURCES.restored():
        yield


ABOUT = About(images="few", form="8x8 gray", licence="none", origin="this test")


def numbered(count: int) -> Split:
    """Images whose first pixel and label are their number."""
    images = np.zeros((count, 8, 8, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(count)
    return Split(images, np.arange(count))


def test_sources_lists_every_source_with_its_line() -> None:
    found = SOURCES
    assert {"digits", "folder", "mnist", "mnist-5k"} <= set(found)
    assert found["digits"].summary.startswith("1,797 real handwritten digits")
    assert all(entry.summary and "\n" not in entry.summary for entry in found.values())


def test_every_source_states_what_its_images_are() -> None:
    for name, entry in SOURCES.items():
        stated = [text for text in vars(entry.about).values() if not isinstance(text, bool | None)]
        assert stated and all(text and "\n" not in text for text in stated), name


def test_a_new_source_is_one_function(registered: None) -> None:
    @source("stripes", held_out=2)
    def stripes(config: DataConfig) -> Found:
        """Stripes of two grays."""
        return Found(Split(np.zeros((10, 8, 8, 1), np.uint8)))

    assert SOURCES["stripes"].summary == "Stripes of two grays."
    dataset = load(DataConfig(source="stripes"))
    assert (len(dataset.train.images), len(dataset.test.images)) == (8, 2)


def test_a_plugin_adds_a_source(registered: None, tmp_path: Path) -> None:
    plugin = tmp_path / "stripes_of_a_plugin.py"
    plugin.write_text(
        "import numpy as np\n"
        "from infogan.data import Found, Split, source\n"
        "@source('striped', held_out=4)\n"
        "def striped(config):\n"
        "    return Found(Split(np.zeros((64, 16, 16, 1), np.uint8)))\n"
    )
    load_plugin(plugin)
    assert load(DataConfig(source="striped")).train.images.shape == (60, 16, 16, 1)
    assert SOURCES["striped"].summary == "striped"
    assert SOURCES.origins["striped"].plugin == "stripes_of_a_plugin"


def test_two_sources_of_one_name_are_refused(registered: None) -> None:
    def other(config: DataConfig) -> Found:
        """Another."""
        return Found(numbered(3))

    with pytest.raises(ValueError, match="there are two data sources named 'digits'"):
        source("digits", about=ABOUT)(other)


@pytest.mark.parametrize(
    ("config", "error", "parts"),
    [
        (DataConfig(source="mnits"), UsageError, ["'mnits'", "did you mean 'mnist'?", "digits"]),
        (DataConfig(source="digits", path="/some/where"), ConfigError, ["/some/where", "digits reads no"]),
        (DataConfig(source="mnist", held_out=10), ConfigError, ["held_out = 10", "its own test split"]),
        (DataConfig(source="folder"), ConfigError, ["data.path", "data=PATH"]),
        (DataConfig(source="digits", held_out=1797), DataError, ["1797", "1797 images", "at most 1796"]),
    ],
)
def test_what_cannot_be_loaded_says_why(config: DataConfig, error: type[Exception], parts: list[str]) -> None:
    with pytest.raises(error) as caught:
        load(config)
    for part in parts:
        assert part in str(caught.value)


def test_the_split_is_whole_shuffled_and_fixed_for_ever(registered: None) -> None:
    @source("numbered", about=ABOUT, held_out=4)
    def read(config: DataConfig) -> Found:
        """Numbers."""
        return Found(numbered(12))

    dataset = load(DataConfig(source="numbered"))
    train, test = dataset.train, dataset.test
    assert train.labels is not None
    assert test.labels is not None
    assert sorted([*train.labels, *test.labels]) == list(range(12))
    # Published numbers rest on these: a change here makes every one of them unrepeatable.
    assert train.labels.tolist() == GOLDEN_TRAIN
    assert test.labels.tolist() == GOLDEN_TEST
    assert train.images[:, 0, 0, 0].tolist() == train.labels.tolist()
    assert test.images[:, 0, 0, 0].tolist() == test.labels.tolist()


GOLDEN_TRAIN = [10, 1, 0, 11, 5, 9, 4, 6]
GOLDEN_TEST = [8, 7, 2, 3]


@pytest.mark.parametrize(("count", "held_out"), [(2, 1), (4, 1), (30, 3), (99, 10)])
def test_a_tenth_is_held_out_by_default_and_at_least_one(count: int, held_out: int, registered: None) -> None:
    @source("tenth", about=ABOUT)
    def read(config: DataConfig) -> Found:
        """Numbers."""
        return Found(numbered(count))

    dataset = load(DataConfig(source="tenth"))
    assert (len(dataset.train.images), len(dataset.test.images)) == (count - held_out, held_out)


def test_splits_of_different_channels_are_refused(registered: None) -> None:
    @source("uneven", about=ABOUT, held_out=None)
    def read(config: DataConfig) -> Found:
        """Gray to train, colour to test."""
        return Found(numbered(3), Split(np.zeros((2, 8, 8, 3), np.uint8)))

    with pytest.raises(DataError, match="training images have 1 channels, test images 3"):
        load(DataConfig(source="uneven"))
    assert load(DataConfig(source="uneven", channels=1)).test.images.shape == (2, 8, 8, 1)


def test_the_fingerprint_is_of_all_images_and_of_nothing_else() -> None:
    images = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8, 1)
    first = Dataset("a", Split(images), Split(images[:1]))
    assert (
        first.fingerprint == Dataset("b", Split(images.copy(), np.arange(2)), Split(images[:1])).fingerprint
    )
    assert len(first.fingerprint) == 64
    changed = images.copy()
    changed[1, 7, 7, 0] ^= 1
    others = [
        Dataset("a", Split(changed), Split(images[:1])),  # one bit of a training image
        Dataset("a", Split(images), Split(changed[1:])),  # other test images
        Dataset("a", Split(images[::-1]), Split(images[:1])),  # another order
        Dataset(
            "a", Split(images.reshape(2, 4, 16, 1)), Split(images[:1])
        ),  # the same bytes in another shape
        Dataset("a", Split(images[:1]), Split(images)),  # the splits swapped
    ]
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 6


@pytest.mark.parametrize(
    ("images", "labels", "part"),
    [
        (np.zeros((2, 8, 8, 1)), None, "float64 [2, 8, 8, 1]"),
        (np.zeros((2, 8, 8), np.uint8), None, "uint8 [2, 8, 8]"),
        (np.zeros((2, 3, 8, 8), np.uint8), None, "uint8 [2, 3, 8, 8]"),
        (np.zeros((0, 8, 8, 1), np.uint8), None, "[0, 8, 8, 1]"),
        (np.zeros((2, 8, 8, 1), np.uint8), np.zeros(3, np.int64), "labels are int64 [3] for 2 images"),
        (np.zeros((2, 8, 8, 1), np.uint8), np.zeros(2), "labels are float64 [2] for 2 images"),
    ],
)
def test_a_split_checks_its_arrays(images: np.ndarray, labels: np.ndarray | None, part: str) -> None:
    with pytest.raises(DataError) as caught:
        Split(images, labels)
    assert part in str(caught.value)


def test_listing_the_sources_imports_no_heavy_package() -> None:
    code = (
        "import sys, infogan.data; infogan.data.SOURCES;"
        "print([m for m in ('torch', 'sklearn', 'pandas', 'matplotlib', 'requests') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_the_last_training_images_stand_in_for_the_test_images() -> None:
    plain, apart = (load(DataConfig(source="digits", validation=count)) for count in (None, 100))
    assert np.array_equal(apart.test.images, plain.train.images[-100:])
    assert np.array_equal(apart.train.images, plain.train.images[:-100])
    assert (plain.split, apart.split) == ("test", "validation")
    assert apart.test.labels is not None and plain.train.labels is not None
    assert np.array_equal(apart.test.labels, plain.train.labels[-100:])
    with pytest.raises(DataError, match="there are"):
        load(DataConfig(source="digits", validation=len(plain.train.images)))
