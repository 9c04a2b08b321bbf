"""The phase before training: anchors of the configured categories, and neighbours by learned features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from infogan import api, data
from infogan.config import Config
from infogan.data import pixel_neighbours
from infogan.data.neighbour_index import Search
from infogan.errors import ConfigError
from infogan.model import InfoGAN
from infogan.representation import category_search
from infogan.runs import representation_files
from infogan.runs.directory import RunDirectory
from infogan.training.trainer import nearest_images

SETTINGS: dict[str, Any] = {
    "steps": 2,
    "batch_size": 8,
    "network.width": 0.1,
    "representation.contrastive_steps": 4,
    "objective.neighbours": 5,
    "objective.neighbour_space": "joint",
}


def digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    found = load_digits(n_class=4)
    return (found.images[:400] * 15.9).astype(np.uint8)[..., None], found.target[:400]


def configured(**settings: Any) -> Config:
    config = api.configure("digits", recipe="anchored-categories", settings={**SETTINGS, **settings})
    return config.replace(data={"source": "folder", "held_out": 40})


def trained(config: Config, path: Path) -> RunDirectory:
    images, _ = digits()
    return api.train_config(config, dataset=data.from_array(images, config.data), out=path).run


def test_the_configured_codes_stay_and_the_categories_get_anchors(tmp_path: Path) -> None:
    config = configured()
    run = trained(config, tmp_path / "run")
    known = representation_files.load(run.representation)
    assert known is not None
    (name,) = known.anchors
    shares = known.anchors[name]
    assert list(run.read_config().latents.codes) == list(config.latents.codes)
    assert shares.shape == (360, 10)
    assert torch.allclose(shares.sum(1), torch.ones(360), atol=1e-3)
    assert '"anchors"' in run.metrics_path.read_text()


def test_neighbours_by_learned_features_are_those_of_the_run(tmp_path: Path) -> None:
    run = trained(configured(), tmp_path / "run")
    known = representation_files.load(run.representation)
    assert known is not None
    assert known.neighbours is not None
    assert known.neighbours.shape == (360, 5)
    train = data.from_array(digits()[0], run.read_config().data).train
    used = nearest_images(run.read_config(), train, known.neighbours)
    assert used is known.neighbours
    assert not torch.equal(known.neighbours, torch.from_numpy(train.nearest(5, "exact")))
    own = torch.arange(360)[:, None]
    assert not (known.neighbours == own).any()
    of_pixels = trained(configured(**{"objective.neighbour_space": "pixels"}), tmp_path / "pixels")
    pixels = representation_files.load(of_pixels.representation)
    assert pixels is not None
    assert pixels.neighbours is None


def test_a_run_with_learned_neighbours_is_resumed_with_the_same_ones(tmp_path: Path) -> None:
    config = configured()
    whole = trained(config.replace(training={"steps": 4}), tmp_path / "whole")
    stopped = trained(config, tmp_path / "stopped")
    images, _ = digits()
    api.resume_run(stopped.path, settings={"training.steps": 4}, dataset=data.from_array(images, config.data))
    neighbours, weights = [], []
    for run in (whole, stopped):
        known = representation_files.load(run.representation)
        assert known is not None
        assert known.neighbours is not None
        neighbours.append(known.neighbours)
        weights.append(InfoGAN.from_pretrained(run.path).state_dict())
    assert torch.equal(*neighbours)
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_run_is_not_resumed_with_neighbours_that_do_not_fit(tmp_path: Path) -> None:
    config = configured()
    dataset = data.from_array(digits()[0], config.data)
    run = trained(config, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"neighbours of shape \[360, 5\]"):
        api.resume_run(
            run.path, settings={"objective.neighbours": 3, "steps": 4}, dataset=dataset, override=True
        )


def test_without_an_encoder_neighbours_are_found_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[int] = []
    nearest = pixel_neighbours.nearest

    def counted(images: np.ndarray, count: int, search: Search = "exact") -> np.ndarray:
        searched.append(len(images))
        return nearest(images, count, search)

    monkeypatch.setattr(pixel_neighbours, "nearest", counted)
    again: list[int] = []
    known = category_search.nearest
    monkeypatch.setattr(
        category_search, "nearest", lambda *given, **how: again.append(1) or known(*given, **how)
    )
    by_pixels = {"objective.neighbour_space": "pixels", "representation.contrastive_steps": 0}
    run = trained(configured(**by_pixels, **{"objective.neighbours": 10}), tmp_path / "run")
    found = representation_files.load(run.representation)
    assert found is not None and len(found.anchors) == 1
    assert searched == [360]
    assert again == []


def test_few_images_have_no_anchors_and_a_message_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured().replace(data={"held_out": 10})
    images = digits()[0][:100]
    run = api.train_config(config, dataset=data.from_array(images, config.data), out=tmp_path / "run").run
    known = representation_files.load(run.representation)
    assert known is not None
    assert known.anchors == {}
    assert "the categories have no anchors" in capsys.readouterr().err


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"needs representation\.contrastive_steps"):
        configured(**{"representation.contrastive_steps": 0})
    with pytest.raises(ConfigError, match="has no fit"):
        configured(**{"representation.fit_steps": 5})
    with pytest.raises(ConfigError, match="exactly one categorical code"):
        api.configure("faces-azimuth", recipe="anchored-categories")
