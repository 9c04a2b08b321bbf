from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.exports import with_varied_weights
from infogan import InfoGAN
from infogan.config import Config


@pytest.fixture
def varied_model(tiny_config: Config) -> InfoGAN:
    return with_varied_weights(InfoGAN(tiny_config))


@pytest.fixture
def model_folder(varied_model: InfoGAN, tmp_path: Path) -> Path:
    """A folder as RUN/model, which every export takes as well as a run."""
    varied_model.provenance = {"steps": 7, "images_seen": 700}
    varied_model.save_pretrained(tmp_path / "digits-001")
    return tmp_path / "digits-001"
