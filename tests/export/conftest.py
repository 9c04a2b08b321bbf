from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from infogan import InfoGAN
from infogan.config import Config


def with_varied_weights(model: InfoGAN, seed: int = 1) -> InfoGAN:
    """Return the model with weights and statistics of usual size, as if it were trained.

    Initial weights give nearly constant images, in which no error would show.
    """
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("_var"):
                value.uniform_(0.5, 2, generator=rng)
            elif name.endswith("_mean"):
                value.normal_(0, 0.3, generator=rng)
            elif value.ndim > 1:
                value.normal_(0, math.sqrt(2 / value[0].numel()), generator=rng)
    return model


@pytest.fixture
def varied_model(tiny_config: Config) -> InfoGAN:
    return with_varied_weights(InfoGAN(tiny_config))


@pytest.fixture
def model_folder(varied_model: InfoGAN, tmp_path: Path) -> Path:
    """A folder as RUN/model, which every export takes as well as a run."""
    varied_model.provenance = {"steps": 7, "images_seen": 700}
    varied_model.save_pretrained(tmp_path / "digits-001")
    return tmp_path / "digits-001"
