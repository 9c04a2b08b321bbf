"""The functions of the public face: arguments win over settings, and mistakes are found early."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from infogan import api, data, evaluation
from infogan.errors import ConfigError, DataError, UsageError
from infogan.model import InfoGAN
from infogan.networks import NETWORKS, Networks, network


@pytest.fixture
def trained_with(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect the configurations that `train` would train with."""
    configs: list[Any] = []

    def train_config(config: Any, **_: Any) -> SimpleNamespace:
        configs.append(config)
        return SimpleNamespace(model=InfoGAN(config))

    monkeypatch.setattr(api, "train_config", train_config)
    return configs


def test_an_argument_has_precedence_over_a_setting(trained_with: list[Any]) -> None:
    settings = {"training.steps": 5, "steps": 6, "network.width": 0.0625}
    api.train("digits", steps=7, settings=settings)
    assert trained_with[0].training.steps == 7
    api.train("digits", settings=settings)
    assert trained_with[1].training.steps == 6


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match="there are no images"):
        api.train([])


def test_a_misspelt_architecture_is_found_before_images_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "load", lambda config: pytest.fail("the images were read"))
    config = api.configure("digits", settings={"network.architecture": "my_netwrk"})
    with NETWORKS.restored():
        network("my_network")(lambda shape: Networks())
        with pytest.raises(ConfigError, match="did you mean 'my_network'") as caught:
            api.train_config(config)
    assert "generic" in caught.value.expected and "my_network" in caught.value.expected


@pytest.mark.parametrize("function", [api.report, lambda run, **more: api.select([run], **more)])
def test_report_and_select_import_plugins(function: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the plug-in \S*nowhere\.py does not exist"):
        function(tmp_path, plugins=["nowhere.py"])


def test_progress_is_shown_or_passed_on(
    tiny_model: InfoGAN, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluation, "evaluate", lambda *_, progress, **more: progress("evaluating") or {})
    messages: list[str] = []
    api.evaluate(tiny_model, progress=messages.append)
    api.evaluate(tiny_model)
    assert (messages, capsys.readouterr().err) == (["evaluating"], "")
    api.evaluate(tiny_model, progress=True)
    assert capsys.readouterr().err == "evaluating\n"


def test_images_of_another_size_are_converted_with_a_warning(
    tiny_model: InfoGAN, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shapes = []
    monkeypatch.setattr(
        evaluation, "evaluate", lambda _, images, **more: shapes.append(images.test.images.shape[1:]) or {}
    )
    with caplog.at_level(logging.WARNING):
        api.evaluate(tiny_model, np.zeros((400, 8, 8), np.uint8))
        assert caplog.text == ""
        api.evaluate(tiny_model, np.zeros((400, 16, 16), np.uint8))
    assert "[16, 16, 1] are converted to [8, 8, 1]" in caplog.text
    assert shapes == [(8, 8, 1), (8, 8, 1)]
