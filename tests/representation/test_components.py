"""Independent components: rare attributes of images are found one by one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from infogan.representation.components import IndependentComponents, independent_components


def images_with_marks(count: int = 1_200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy images 12x12, of which a tenth each have two overlapping marks; and bool [count, 2]."""
    rng = np.random.default_rng(seed)
    marks = rng.random((count, 2)) < 0.1
    images = rng.normal(90, 8, (count, 12, 12))
    images[:, 2:8, 2:8] += 60 * marks[:, 0, None, None]
    images[:, 4:10, 4:10] += 60 * marks[:, 1, None, None]
    return images.clip(0, 255).astype(np.uint8)[..., None], marks


@pytest.fixture(scope="module")
def fitted() -> IndependentComponents:
    result = independent_components(images_with_marks()[0], count=5)
    assert result is not None
    return result


def test_the_most_peaked_components_are_the_rare_marks(fitted: IndependentComponents) -> None:
    from sklearn.metrics import roc_auc_score

    images, marks = images_with_marks(seed=1)  # not those of the fit
    values = fitted.values(images)[:, np.argsort(-fitted.kurtosis)[:2]]
    areas = np.array([[roc_auc_score(mark, column) for column in values.T] for mark in marks.T])
    assert sorted(areas.argmax(1)) == [0, 1]
    assert areas.max(1).min() > 0.95  # the longer tail is positive: a mark has a high value


def test_values_have_mean_0_and_variance_1_over_the_images_of_the_fit(fitted: IndependentComponents) -> None:
    values = fitted.values(images_with_marks()[0])
    assert np.abs(values.mean(0)).max() < 1e-3
    assert values.std(0) == pytest.approx(np.ones(values.shape[1]), abs=1e-2)


def test_the_order_takes_the_most_and_the_least_peaked_in_turn(fitted: IndependentComponents) -> None:
    kurtosis = np.array([0.1, -0.9, 5.0, -1.1, 2.0])
    some = dataclasses.replace(fitted, unmixing=fitted.unmixing[:5], kurtosis=kurtosis)
    assert some.order.tolist() == [2, 3, 4, 1, 0]


def test_components_of_several_fits_that_are_the_same_are_one(fitted: IndependentComponents) -> None:
    values = fitted.values(images_with_marks()[0])
    correlations = np.abs(np.corrcoef(values.T)) - np.eye(values.shape[1])
    assert correlations.max() < 0.9
    peaked = values[:, fitted.kurtosis > 3]
    assert peaked.shape[1] == 2


def test_the_same_images_give_the_same_bytes() -> None:
    images, _ = images_with_marks()
    first, second = (independent_components(images, count=5) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.values(images).tobytes() == second.values(images).tobytes()


def test_equal_images_have_no_components() -> None:
    assert independent_components(np.full((300, 6, 6, 1), 9, dtype=np.uint8)) is None
