"""The networks of every preset as ONNX files: 1,000 random latents, in both precisions."""

from __future__ import annotations

import pytest

from benchmarks.exports import different, measure
from infogan.config import Config
from infogan.export.onnx_check import LIMITS
from infogan.presets import PRESETS

CONFIGS = {f"{preset}-{recipe}": config for preset, recipe, config in different(list(PRESETS))}


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
def test_exported_networks_repeat_those_of_a_preset(config: Config) -> None:
    errors = measure(config)
    assert {precision: of["largest"] <= LIMITS[precision] for precision, of in errors.items()} == {
        "float32": True,
        "float16": True,
    }
