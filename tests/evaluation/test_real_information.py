"""What categories keep of augmented_views real images, against channels whose information is known."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from infogan import data
from infogan.config import AugmentationConfig, Categorical, Config, DataConfig
from infogan.data import Dataset
from infogan.evaluation.metric import METRICS
from infogan.evaluation.real_information import DEFAULT_POLICY, augmented_views, information
from infogan.evaluation.resampling import numpy_generator
from infogan.evaluation.subject import Subject
from infogan.model import InfoGAN

KEY, SURE = "information_nats", "most_probable_information_nats"


def one_hot(categories: np.ndarray, size: int = 4) -> np.ndarray:
    return np.eye(size, dtype=np.float32)[categories]


def measured(first: np.ndarray, second: np.ndarray, seed: int = 0) -> dict:
    return information(first, second, numpy_generator(seed, "test"))


def flipped(categories: np.ndarray, error: float, draw: np.random.Generator) -> np.ndarray:
    wrong = draw.random(len(categories)) < error
    return (categories + np.where(wrong, draw.integers(1, 4, size=len(categories)), 0)) % 4


def test_categories_that_survive_keep_the_whole_entropy() -> None:
    categories = np.arange(400) % 4
    found = measured(one_hot(categories), one_hot(categories))
    assert found[KEY] == pytest.approx(math.log(4), abs=1e-5)
    assert found[f"{KEY}_interval"][1] == pytest.approx(math.log(4), abs=1e-5)
    assert found["usage"] == [0.25] * 4


def test_one_category_for_all_and_chance_keep_nothing() -> None:
    draw = np.random.default_rng(0)
    same = one_hot(np.ones(400, dtype=np.int64))
    assert measured(same, same)[KEY] == pytest.approx(0, abs=1e-5)
    assert measured(same, same)["usage"] == [0, 1, 0, 0]
    found = measured(*(one_hot(draw.integers(4, size=2_000)) for _ in range(2)))
    assert 0 <= found[KEY] < 0.005


def test_a_noisy_channel_has_its_known_information() -> None:
    draw = np.random.default_rng(1)
    categories = np.arange(20_000) % 4
    found = measured(one_hot(categories), one_hot(flipped(categories, 0.2, draw)))
    truth = math.log(4) + 0.8 * math.log(0.8) + 0.2 * math.log(0.2 / 3)
    low, high = found[f"{KEY}_interval"]
    assert low - 0.01 < truth < high + 0.01 and high - low < 0.05
    assert found[KEY] == pytest.approx(truth, abs=0.02)
    assert found[SURE] == pytest.approx(found[KEY])


def test_a_q_that_is_unsure_keeps_little_though_its_best_category_survives() -> None:
    unsure = 0.25 + 0.01 * (one_hot(np.arange(400) % 4) - 0.25)
    found = measured(unsure.astype(np.float32), unsure.astype(np.float32))
    assert found[KEY] < 0.001
    assert found[SURE] == pytest.approx(math.log(4), abs=1e-5)


@pytest.mark.long
def test_intervals_hold_the_truth_about_95_times_in_100() -> None:
    truth, held = math.log(4) + 0.8 * math.log(0.8) + 0.2 * math.log(0.2 / 3), 0
    for repeat in range(60):
        draw = np.random.default_rng(repeat)
        categories = draw.integers(4, size=1_500)
        found = measured(one_hot(categories), one_hot(flipped(categories, 0.2, draw)), repeat)
        low, high = found[f"{KEY}_interval"]
        held += low <= truth <= high
    assert held >= 52


def test_copies_are_moved_a_little_and_by_the_seed() -> None:
    images = data.load(DataConfig(source="digits")).test.images
    once, again, other = (augmented_views(images, DEFAULT_POLICY, "sigmoid", seed=seed) for seed in (0, 0, 1))
    assert (once == again).all() and (once != other).any()
    changed = np.abs(once.astype(int) - images).mean()
    assert 5 < changed < np.abs(images[::-1].astype(int) - images).mean()
    assert (augmented_views(images, AugmentationConfig(), "tanh") == images).all()


def test_the_policy_is_the_models_own_or_said_to_be_the_default(
    config_of: Callable[..., Config], drawn_dataset: Dataset
) -> None:
    policies = {}
    for origin, own in (("default", AugmentationConfig()), ("model", AugmentationConfig(shift=0.02))):
        config = config_of().model_copy(update={"augmentation": own})
        found = METRICS["information on real images"](Subject(InfoGAN(config), drawn_dataset, "raw"))
        policies[origin] = found["real"]["digit"]["policy"]
    assert policies["default"] == {
        "origin": "default", "rotation": 15, "shift": 0.07, "scale": 0.12, "shear": 0.15
    }  # fmt: skip
    assert policies["model"] == {"origin": "model", "shift": 0.02}


def test_a_model_that_reads_without_error_beats_an_untrained_one(
    drawn_model: InfoGAN, drawn_dataset: Dataset
) -> None:
    config = drawn_model.config.model_copy(update={"augmentation": AugmentationConfig(brightness=0.01)})
    drawn_model.config = config
    found = METRICS["information on real images"](Subject(drawn_model, drawn_dataset, "raw"))
    share = np.bincount(np.argsort([2, 0, 3, 1])[drawn_dataset.test.labels]) / 150
    assert found["real"]["digit"]["usage"] == pytest.approx(share.tolist())
    entropy = -(share * np.log(share)).sum()
    assert found["real"]["digit"][KEY] == pytest.approx(entropy, abs=1e-4)
    assert found["baselines"]["untrained"]["real"]["digit"][SURE] < entropy - 0.1


def test_each_dimension_has_its_figures_and_no_categorical_code_none(
    config_of: Callable[..., Config], drawn_dataset: Dataset
) -> None:
    model = InfoGAN(config_of({"shape": Categorical(3, dim=2)}))
    found = METRICS["information on real images"](Subject(model, drawn_dataset, "raw"))
    assert list(found["real"]) == ["shape[0]", "shape[1]"]
    assert len(found["real"]["shape[0]"]["usage"]) == 3
    assert (
        METRICS["information on real images"](Subject(InfoGAN(config_of("style:u")), drawn_dataset, "raw"))
        == {}
    )
