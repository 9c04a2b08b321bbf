"""The registry of experiments and their options."""

from __future__ import annotations

from pathlib import Path

import pytest

from infogan.cli import main
from infogan.errors import UsageError
from infogan_experiments import (
    names,
    run,
)
from infogan_experiments.experiment import FIRST_SEED, Options


def test_every_experiment_has_a_summary() -> None:
    assert {"figure1", "mnist-paper"} <= set(names()) and all(names().values())


def test_an_unknown_experiment_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="did you mean 'figure1'"):
        run("figur1", Options())


def test_an_option_that_an_experiment_does_not_support_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("figure1", "robust-digits", "mnist-paper"):
        with pytest.raises(UsageError, match="--recipe"):
            run(name, Options(out=tmp_path, recipe="paper"))
    assert main(["reproduce", "figure1", "--quick", "--out", str(tmp_path / "out")]) == 2
    assert "--quick does not apply to figure1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_settings_are_recorded_as_texts() -> None:
    settings = {"training.batch_size": 16, "recipe": "paper", "training.prune_steps": [3], "data.real": True}
    texts = ["training.batch_size=16", "recipe=paper", "training.prune_steps=[3]", "data.real=true"]
    assert Options(settings=settings).assignments == texts


def test_seeds_of_the_command_line_replace_those_of_the_experiment() -> None:
    assert list(Options().seed_range(2)) == [FIRST_SEED, FIRST_SEED + 1]
    assert list(Options(seed=7, seeds=3).seed_range(2, spacing=10)) == [7, 17, 27]
