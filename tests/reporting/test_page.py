"""infogan report evaluates a run only if its scores are missing or of another model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from infogan import api, evaluation
from infogan.cli import main
from infogan.data import Dataset, Split
from infogan.reporting import page

TINY = {
    "network.width": 0.0625,
    "training.batch_size": 16,
    "objective.neighbours": 0,
    "training.repair_end": 0,
}


def test_a_report_evaluates_the_run_only_if_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    api.train("digits", out=run, steps=4, settings=TINY)
    evaluations = []

    def few(model: object, dataset: object, **options: object) -> object:
        evaluations.append(1)
        return real(model, dataset, samples=60, only=("mutual information", "verdicts", "clustering"))

    real = evaluation.evaluate
    monkeypatch.setattr(page.evaluation, "evaluate", few)
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    text = (run / "report.html").read_text()
    assert "digit" in text and "--steps 4" in text and "real images by category" in text.lower()
    assert "verdict" in json.loads((run / "evaluation.json").read_text())["codes"]["digit"]
    main(["report", str(run)])
    assert len(evaluations) == 1  # evaluation.json is still of this model
    api.resume(run, settings={"training.steps": 6})
    main(["report", str(run)])
    assert len(evaluations) == 2 and "--steps 6" in (run / "report.html").read_text()


@pytest.mark.parametrize(
    ("path", "name", "called"),
    [
        ("/somewhere/my finds", "folder", "my finds (folder)"),
        ("/somewhere/mnist", "mnist", ""),
        (None, "digits", ""),
    ],
)
def test_the_heading_says_which_images_they_are(path: str | None, name: str, called: str) -> None:
    images = Split(np.zeros((1, 8, 8, 1), dtype=np.uint8))
    assert page._description(path, Dataset(name, images, images)) == called


@pytest.mark.parametrize(("tested", "shown"), [(40, 400), (1_200, 1_200)])
def test_training_images_are_shown_only_if_there_are_few_test_images(tested: int, shown: int) -> None:
    train = Split(np.zeros((360, 8, 8, 1), dtype=np.uint8))
    test = Split(np.full((tested, 8, 8, 1), 255, dtype=np.uint8))
    images, trained_on = page._clustered_images(Dataset("set", train, test))
    assert len(images) == shown and (images > 0).all((1, 2, 3)).sum() == tested
    assert trained_on == shown - tested


@pytest.mark.parametrize("broken", ["{", "[]", '{"codes": {}}', '{"codes": {"digit": {"verdict": "used"}}}'])
def test_scores_of_another_format_are_evaluated_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    run = tmp_path / "run"
    api.train("digits", out=run, steps=2, settings=TINY)
    (run / "evaluation.json").write_text(broken)
    real = evaluation.evaluate

    def few(model: object, dataset: object, **options: object) -> object:
        return real(model, dataset, samples=60, only=("mutual information", "verdicts"))  # type: ignore[arg-type]

    monkeypatch.setattr(page.evaluation, "evaluate", few)
    assert "digit" in api.report(run).read_text()


@pytest.mark.slow
def test_the_report_of_several_seeds_shows_the_training_of_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "my runs"
    api.train("digits", out=run, steps=40, seeds=2, settings={**TINY, "training.prune_steps": [20]})
    real = evaluation.evaluate

    def few(model: object, dataset: object, **options: object) -> object:
        return real(model, dataset, samples=60, only=("mutual information", "verdicts"))  # type: ignore[arg-type]

    monkeypatch.setattr(page.evaluation, "evaluate", few)
    text = api.report(run).read_text()
    assert "<polyline" in text and "selected from 2 seeds" in text
    assert "--out &#39;my runs&#39; --seed 0 --seeds 2 --steps 40" in text
    assert "no warnings so far" in text  # forty steps are too few for some warnings


def test_a_report_names_no_folder_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made to be given to others."""
    (tmp_path / "secret").mkdir()
    images = tmp_path / "secret" / "images.npy"
    np.save(images, np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8))
    real = evaluation.evaluate

    def few(model: object, dataset: object, **options: object) -> object:
        return real(model, dataset, samples=60, only=("mutual information", "verdicts"))  # type: ignore[arg-type]

    monkeypatch.setattr(page.evaluation, "evaluate", few)
    run = tmp_path / "secret" / "run"
    api.train(images, out=run, steps=4, device="cpu", settings=TINY)
    text = api.report(run).read_text()
    assert "secret" not in text and str(tmp_path) not in text
    assert "images.npy: 40 images" in text and "exact copies" in text  # the audit
    assert "infogan train --config config.toml --data IMAGES --out run" in text
    assert "IMAGES: the path of images.npy" in text


def test_typical_images_have_the_highest_probability_and_doubtful_ones_the_lowest() -> None:
    sure = np.array([0.9, 0.6, 0.8, 0.3, 0.7, 0.95])
    surest, doubtful = page.typical_and_doubtful(np.stack([sure, 1 - sure], 1), 0, 2)
    assert surest.tolist() == [5, 0] and doubtful.tolist() == [1, 4]
    surest, doubtful = page.typical_and_doubtful(np.stack([sure, 1 - sure], 1), 1, 2)
    assert surest.tolist() == [3] and doubtful.tolist() == []
