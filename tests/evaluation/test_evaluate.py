"""`evaluate`: the keys of evaluation.json, what is left out, and what is refused."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from infogan.config import Categorical, Config
from infogan.data import Dataset, Split
from infogan.errors import DivergenceError, UsageError
from infogan.evaluation import Subject, evaluate, metric, sorting_line
from infogan.evaluation.metric import METRICS
from infogan.model import InfoGAN

pytestmark = pytest.mark.usefixtures("short_classifier")


def test_a_model_that_draws_and_reads_its_codes_without_error(
    drawn_model: InfoGAN, drawn_dataset: Dataset
) -> None:
    said: list[str] = []
    drawn_model.provenance = {"steps": 7, "images_seen": 896, "train_seconds": 1.5}
    found = evaluate(drawn_model, drawn_dataset, samples=400, progress=said.append)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    clustering = found["clustering"]
    assert (clustering["code"], clustering["accuracy"], clustering["nmi"]) == ("digit", 1.0, pytest.approx(1))
    assert clustering["matching"] == [2, 0, 3, 1]
    assert clustering["classifier_accuracy"] == 1.0
    assert clustering["generated_purity"] == 1.0
    assert found["codes"]["digit"]["mutual_information_nats"] == pytest.approx(math.log(4), abs=1e-6)
    assert found["codes"]["style"]["r2_fake"] > 0.99
    assert found["fidelity"]["precision"] > 0.5
    assert found["real"]["digit"]["information_nats"] > 0.3
    assert found["variance"]["noise_share"] == 0  # its background is the same for all noises
    assert found["variance"]["generated"] == pytest.approx(found["variance"]["codes"]["style"])
    for baseline in ("kmeans", "untrained"):
        assert {"accuracy", "nmi", "ari", "matching", "accuracy_interval"} <= set(
            found["baselines"][baseline]["clustering"]
        )
    facts = {"images": 150, "split": "test", "weights": "raw", "dataset": "drawn", "samples": 400}
    assert facts | drawn_model.provenance | found == found
    assert [line.removeprefix("evaluate: ") for line in said] == list(METRICS)


def test_figures_are_a_function_of_the_seed(tiny_model: InfoGAN, drawn_dataset: Dataset) -> None:
    once, again = (evaluate(tiny_model, drawn_dataset, samples=40, seed=5) for _ in range(2))
    assert once == again


def test_without_labels_only_what_needs_none(tiny_model: InfoGAN, unlabelled_dataset: Dataset) -> None:
    found = evaluate(tiny_model, unlabelled_dataset, samples=20)
    assert {"codes", "images", "dataset", "real", "variance"} <= set(found)
    assert not {"clustering", "fidelity", "factors", "train_seconds"} & set(found)
    beside = {name: set(figures) for name, figures in found["baselines"].items()}
    assert beside == {"untrained": {"real", "brightness"}, "pca": {"brightness"}}
    assert sorting_line(tiny_model, unlabelled_dataset) is None


def test_without_images_or_without_a_category(
    tiny_model: InfoGAN, drawn_dataset: Dataset, config_of: Callable[..., Config]
) -> None:
    without_images = evaluate(tiny_model, None, samples=20)
    assert not {"images", "split", "dataset", "clustering", "real", "fidelity"} & set(without_images)
    assert "real" not in without_images["variance"]
    continuous = evaluate(InfoGAN(config_of("style:u pose:n")), drawn_dataset, samples=20)
    assert not {"clustering", "real"} & set(continuous)
    # "real" is the reference of precision and recall, the others are brightness'.
    assert continuous["baselines"].keys() == {"real", "untrained", "pca"}
    assert list(continuous["codes"]) == ["style", "pose"]


def test_a_dimension_of_a_code_is_named(config_of: Callable[..., Config], drawn_dataset: Dataset) -> None:
    model = InfoGAN(config_of({"shape": Categorical(3, dim=2)}))
    found = evaluate(model, drawn_dataset, samples=30)
    assert found["clustering"]["code"] in ("shape[0]", "shape[1]")
    assert found["codes"]["shape"]["dim"] == 2


def test_the_quick_path_agrees_with_the_whole(drawn_model: InfoGAN, drawn_dataset: Dataset) -> None:
    whole = evaluate(drawn_model, drawn_dataset, only=("clustering",))
    assert whole["clustering"]["accuracy"] == 1.0
    line = sorting_line(drawn_model, drawn_dataset)
    assert line is not None and "digit" in line and "100.0%" in line and "150 test images" in line


@pytest.mark.slow
def test_labels_change_no_figure_but_those_that_measure_with_them(
    tiny_model: InfoGAN, drawn_dataset: Dataset
) -> None:
    other = Dataset(
        drawn_dataset.name,
        Split(drawn_dataset.train.images, np.roll(drawn_dataset.train.labels, 100)),
        drawn_dataset.test,
    )
    found = [evaluate(tiny_model, dataset, samples=20) for dataset in (drawn_dataset, other)]
    assert found[0]["codes"] == found[1]["codes"]
    assert found[0]["clustering"]["nmi"] == found[1]["clustering"]["nmi"]


def test_what_is_refused(tiny_model: InfoGAN, drawn_dataset: Dataset) -> None:
    with pytest.raises(UsageError, match="weights"):
        evaluate(tiny_model, drawn_dataset, weights="ema", samples=20)
    with pytest.raises(UsageError, match="samples"):
        evaluate(tiny_model, None, samples=1)
    wide = Split(np.zeros((4, 8, 9, 1), dtype=np.uint8), np.arange(4))
    with pytest.raises(UsageError, match="images are"):
        evaluate(tiny_model, Dataset("wide", wide, wide), samples=20)


def test_a_figure_that_is_not_finite_is_an_error_and_not_a_nan(tiny_model: InfoGAN) -> None:
    with torch.no_grad():
        tiny_model.recognition.output.bias[0] = float("nan")
    with pytest.raises(DivergenceError, match=r"codes\.digit\.mutual_information_nats"):
        evaluate(tiny_model, None, samples=20)


def test_two_metrics_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match="purity"):
        metric("purity of generated images")(lambda _: {})


def test_a_metric_from_outside_the_package_fills_its_own_section(tiny_model: InfoGAN) -> None:
    with METRICS.restored():

        @metric("mean level")
        def mean_level(subject: Subject) -> dict[str, Any]:
            images, _ = subject.sample(subject.samples, "mean level")
            return {"mean_level": {"generated": float(images.mean())}}

        found = evaluate(tiny_model, None, samples=20, only=("mean level",))
    assert 0 < found["mean_level"]["generated"] < 255
    assert "mean level" not in METRICS


def test_an_unknown_metric_is_named_with_the_nearest_one(tiny_model: InfoGAN) -> None:
    with pytest.raises(UsageError, match="did you mean 'clustering'"):
        evaluate(tiny_model, None, samples=20, only=("clusterin",))


def test_evaluation_imports_neither_training_nor_slow_libraries() -> None:
    program = (
        "import sys; from infogan.evaluation.metric import METRICS; list(METRICS);"
        "late = ('infogan.training', 'sklearn', 'scipy.optimize', 'scipy.stats');"
        "print([m for m in sys.modules if m.startswith(late)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_labels_that_name_other_objects_in_the_test_split_are_no_classes(
    drawn_model: InfoGAN, drawn_dataset: Dataset
) -> None:
    """Chairs: the label says which one, and test images show others. Nothing can be matched to them."""
    test = drawn_dataset.test
    assert test.labels is not None
    others = Dataset("objects", drawn_dataset.train, Split(test.images, test.labels + 100))
    found = evaluate(drawn_model, others, samples=100)
    assert "clustering" not in found and "fidelity" not in found
    assert "codes" in found
