"""The scikit-learn estimator: scikit-learn's own checks, pipelines, searches, and images as rows."""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import check_estimator

from infogan.errors import UsageError
from infogan.runs.directory import is_run
from infogan.sklearn import InfoGANClusterer

pytestmark = pytest.mark.slow  # each fit takes seconds

ONE = "with n_clusters=1, but a categorical code has at least 2 categories"
EXPECTED_FAILURES = {
    "check_dont_overwrite_parameters": ONE,
    "check_methods_subset_invariance": ONE,
    "check_fit2d_1feature": ONE,
    "check_fit2d_predict1d": ONE,
}
"""Checks of scikit-learn that this estimator cannot pass, at most ten, and why."""


def tiny(**parameters: object) -> InfoGANClusterer:
    """Return an estimator that is fitted in a moment."""
    smallest = {"n_clusters": 3, "steps": 2, "width": 0.0625, "settings": {"training.batch_size": 16}}
    return InfoGANClusterer(**{**smallest, **parameters})


def digits(count: int = 60) -> np.ndarray:
    return np.asarray(load_digits().data[:count])


@pytest.fixture(scope="module")
def fitted() -> InfoGANClusterer:
    return tiny().fit(digits())


def test_scikit_learns_checks_pass() -> None:
    assert len(EXPECTED_FAILURES) <= 10
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # data of the checks are no images
        results = check_estimator(tiny(), expected_failed_checks=EXPECTED_FAILURES, on_skip=None)
    failed = {result["check_name"] for result in results if result["status"] == "xfail"}
    assert failed == set(EXPECTED_FAILURES), "a check that passes is no expected failure"


def test_clusters_are_the_most_probable_categories(fitted: InfoGANClusterer) -> None:
    codes = fitted.transform(digits())
    assert codes.shape == (60, 5) and codes.dtype == np.float64
    assert list(fitted.get_feature_names_out()) == ["cluster_0", "cluster_1", "cluster_2", "style1", "style2"]
    assert np.allclose(codes[:, :3].sum(1), 1, atol=1e-5)
    assert np.array_equal(fitted.predict(digits()), codes[:, :3].argmax(1))
    assert np.array_equal(fitted.labels_, fitted.predict(digits()))


def test_rows_are_the_images_that_the_model_encodes(fitted: InfoGANClusterer) -> None:
    images = np.rint(digits() / 16 * 255).astype(np.uint8).reshape(-1, 8, 8, 1)
    assert np.array_equal(
        fitted.transform(digits())[:, :3].astype(np.float32), fitted.model_.encode(images)["cluster"]
    )


def test_generated_rows_have_the_range_of_the_data_and_depend_on_their_codes_alone(
    fitted: InfoGANClusterer,
) -> None:
    codes = fitted.transform(digits(5))
    rows = fitted.inverse_transform(codes)
    assert rows.shape == (5, 64) and rows.min() >= 0 and rows.max() <= 16 and np.ptp(rows) > 0
    assert np.allclose(fitted.inverse_transform(codes[3:4])[0], rows[3], atol=16 / 255)
    with pytest.raises(ValueError, match="4 columns"):
        fitted.inverse_transform(codes[:, :4])


def test_the_score_is_an_information_in_nats(fitted: InfoGANClusterer) -> None:
    assert 0 <= fitted.score(digits()) <= np.log(3)
    assert fitted.score(digits()) == fitted.score(digits())


def test_images_of_any_shape_are_padded_and_come_back_in_their_shape() -> None:
    rows = np.random.default_rng(0).integers(0, 256, (20, 6 * 10 * 3), dtype=np.uint8)
    estimator = tiny(image_shape=(6, 10, 3)).fit(rows)
    assert (estimator.model_.size, estimator.model_.channels) == (10, 3)
    images = estimator._images(rows)
    assert np.array_equal(images[:, :6], rows.reshape(20, 6, 10, 3)) and not images[:, 6:].any()
    assert estimator.value_range_ == (0, 255)
    assert estimator.inverse_transform(estimator.transform(rows)).shape == rows.shape


def test_features_that_are_no_square_are_used_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="70 features are not a square image"):
        tiny().fit(np.random.default_rng(0).random((10, 70)))


@pytest.mark.parametrize("shape", [(8, 9), (8, 8, 2), (64,)])
def test_a_shape_that_does_not_fit_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="image_shape"):
        tiny(image_shape=shape).fit(digits())


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("n_clusters", 2.5),
        ("steps", True),
        ("image_shape", 64),
        ("settings", "steps"),
        ("out", 3),
        ("codes", 1),
    ],
)
def test_fit_refuses_a_parameter_of_another_type(parameter: str, value: object) -> None:
    estimator = tiny(**{parameter: value})  # the constructor only stores it
    with pytest.raises(UsageError, match=f"{parameter}={value!r}"):
        estimator.fit(digits())


def test_without_a_categorical_code_it_is_a_transformer_only() -> None:
    estimator = tiny(codes="slant:u width:u")
    assert not hasattr(estimator, "predict") and not hasattr(estimator, "score")
    assert estimator.fit_transform(digits()).shape == (60, 2)
    assert hasattr(tiny(codes="digit:4"), "predict")


def test_a_copy_or_pickle_predicts_the_same(fitted: InfoGANClusterer) -> None:
    for other in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        assert np.array_equal(other.transform(digits()), fitted.transform(digits()))
        assert other.model_.provenance == fitted.model_.provenance


def test_it_works_in_pipelines_and_searches() -> None:
    pipeline = make_pipeline(MinMaxScaler(), tiny())
    search = GridSearchCV(clone(pipeline), {"infoganclusterer__n_clusters": [2, 3]}, cv=2)
    search.fit(digits())
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(digits()).shape == (60,)


def test_a_seed_determines_the_result_and_none_gives_another_each_time() -> None:
    first, same = (tiny(random_state=5).fit_transform(digits()) for _ in range(2))
    assert np.array_equal(first, same)
    first, other = (tiny(random_state=None).fit_transform(digits()) for _ in range(2))
    assert not np.array_equal(first, other)


def test_a_run_directory_is_kept_where_asked(tmp_path: Path) -> None:
    tiny(out=tmp_path / "run").fit(digits())
    assert is_run(tmp_path / "run")


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    example = (Path(__file__).resolve().parents[1] / "examples" / "cluster_digits.py").read_text()
    exec(example.replace("steps=1_000", "steps=2, width=0.0625"), {})
    assert "adjusted Rand index" in capsys.readouterr().out
