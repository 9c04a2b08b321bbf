"""How exactly exported networks repeat the model: `python -m benchmarks.exports [PRESET ...]`.

For the networks of every preset, with its default recipe and with that of the paper, both ONNX files run in
onnxruntime on 1,000 random latents and are compared with torch, in float32 and with weights in float16.
Weights are random and of usual size; nothing is trained.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator

import torch

from infogan import presets
from infogan.config import Config
from infogan.export import interface, onnx_check, onnx_files
from infogan.export.onnx_check import LIMITS
from infogan.model import InfoGAN
from infogan.runs.code_names import CodeNames

LATENTS = 1_000
FOLDER = {"size": 64, "channels": 3}
"""The form of images of the preset `folder`."""
IMAGES = 128
"""Generated images from which the recognition networks predict codes; they take most of the time."""


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


def different(chosen: list[str]) -> Iterator[tuple[str, str, Config]]:
    """Yield preset, recipe and configuration of each combination whose networks are new."""
    seen = set()
    for preset in chosen:
        entry = presets.PRESETS.find(preset)
        for recipe in dict.fromkeys((entry.recipe, "paper")):
            config = entry.apply(entry.load(), recipe)
            if config.data.size is None:  # known once there are images
                config = config.replace(data=FOLDER)
            parts = (config.network, config.latents, config.data.size, config.data.channels)
            key = repr((parts, config.augmentation.code_noise))
            if key not in seen:
                seen.add(key)
                yield preset, recipe, config


def measure(config: Config, latents: int = LATENTS, images: int = IMAGES) -> dict[str, dict[str, float]]:
    """Return the largest errors of both precisions, by output, in the units of `LIMITS`."""
    model = with_varied_weights(InfoGAN(config))
    description = interface.describe(model, CodeNames(config.latents.codes))
    errors: dict[str, dict[str, float]] = {}
    for precision in LIMITS:
        networks = onnx_files.convert(model, description, precision=precision)
        found = onnx_check.compare(model, networks, latents=latents, images=images)
        errors[precision] = {**found.of, "largest": found.largest}
    return errors


def main() -> int:
    """Print a line of JSON for each pair of networks; return 1 if an error is above its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("presets", nargs="*", default=list(presets.PRESETS), help="presets (default: all)")
    parser.add_argument(
        "--latents", type=int, default=LATENTS, help=f"number of latents (default: {LATENTS})"
    )
    arguments = parser.parse_args()
    passed = True
    for preset, recipe, config in different(arguments.presets):
        errors = measure(config, arguments.latents)
        short = {
            precision: {name: float(f"{value:.2g}") for name, value in of.items()}
            for precision, of in errors.items()
        }
        print(json.dumps({"preset": preset, "recipe": recipe, **short}), flush=True)
        passed &= all(errors[precision]["largest"] <= limit for precision, limit in LIMITS.items())
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
