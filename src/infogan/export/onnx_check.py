"""Compares exported networks with the model, as a user of the files would run them: by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from infogan import streams
from infogan.errors import StorageError
from infogan.export import graphs
from infogan.export.extras import required
from infogan.export.onnx_files import OnnxNetworks, Precision
from infogan.export.posterior_moments import moments
from infogan.model import InfoGAN, evaluating

LIMITS: dict[Precision, float] = {"float32": 1e-4, "float16": 2 / 255}
"""Largest accepted error: of pixels in 0..1; of probabilities; of means and stds in half ranges of a code; of
features relative to the largest one."""

_BATCH = 64
_TOP_LEVEL = 255


@dataclass(frozen=True)
class Errors:
    """Largest difference between exported networks and the model, by output.

    Attributes:
        of: the error of each output, in the unit of `LIMITS`.
        latents: number of latents that were compared.
    """

    of: Mapping[str, float]
    latents: int

    @property
    def largest(self) -> float:
        """The largest error of any output."""
        return max(self.of.values())


def compare(
    model: InfoGAN, networks: OnnxNetworks, *, latents: int = 64, images: int = 64, seed: int = 0
) -> Errors:
    """Run exported networks and the model on random latents, and on the images that they generate.

    Codes are those of the prior, and of every traversal. The recognition network also sees noise.

    Args:
        model: the model.
        networks: its exported networks.
        latents: number of random latents.
        images: number of generated images that the recognition networks compare.
        seed: random seed.

    Raises:
        UsageError: onnxruntime is missing.
    """
    required("onnxruntime", extra="export")
    errors: dict[str, float] = {}
    noise, codes = _latents(model, latents, seed)
    count = len(noise)
    generator, recognition = _session(networks.generator), _session(networks.recognition)
    for start in range(0, count, _BATCH):
        part = slice(start, start + _BATCH)
        given = {graphs.NOISE: noise[part], **{name: value[part] for name, value in codes.items()}}
        arrays = {
            port.name: given[port.name].reshape(-1, *port.shape).numpy()
            for port in graphs.generator_inputs(model)
        }
        shown, pixels = generator.run([graphs.IMAGE, graphs.PIXELS], arrays)
        expected = _pixels(model, given)
        _update(errors, graphs.PIXELS, float(np.abs(pixels - expected).max()))
        levels = float(np.abs(shown - np.clip(_TOP_LEVEL * pixels, 0, _TOP_LEVEL)).max())
        _update(errors, graphs.IMAGE, max(levels - 0.5, 0.0) / _TOP_LEVEL)  # it is rounded
        if start >= images:
            continue
        for name, value in _recognition_errors(model, recognition, _images(shown, seed + start)).items():
            _update(errors, name, value)
    return Errors(errors, count)


def check(errors: Errors, precision: Precision, path: str) -> None:
    """Raise StorageError if exported networks differ from the model by more than `LIMITS`."""
    name = max(errors.of, key=errors.of.__getitem__)
    if not errors.largest <= LIMITS[precision]:  # nan is refused, too
        raise StorageError(
            f"{path}: the exported network differs from the model by {errors.largest:.2g} in {name}",
            f"at most {LIMITS[precision]:.2g} over {errors.latents} latents",
            "another version of torch or onnxruntime" + (", or float32" if precision == "float16" else ""),
        )


def _latents(model: InfoGAN, count: int, seed: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return random latents, then one for each value of each traversal."""
    lines = {name: prior.traversal() for name, prior in model.latents.priors.items()}
    noise, codes = model.draw(count + sum(map(len, lines.values())), seed=seed, stream="export")
    start = count
    for name, line in lines.items():
        codes[name][start : start + len(line)] = line
        start += len(line)
    return noise, codes


def _session(content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@torch.inference_mode()
def _pixels(model: InfoGAN, given: Mapping[str, torch.Tensor]) -> np.ndarray:
    network = model.generator if model.ema is None else model.ema
    codes = {name: value for name, value in given.items() if name != graphs.NOISE}
    with evaluating(network):
        images = network(model.latents.join(given[graphs.NOISE], codes).to(model.device)).float().cpu()
    pixels = images if model.table.output == "sigmoid" else (images + 1) / 2
    return np.asarray(pixels.permute(0, 2, 3, 1))


def _images(generated: UInt8[np.ndarray, "n h w c"], seed: int) -> UInt8[np.ndarray, "m h w c"]:
    """Return generated images, and some of uniform noise."""
    rng = streams.generator(seed, "export/images")
    noise = torch.randint(256, (8, *generated.shape[1:]), generator=rng, dtype=torch.uint8)
    return np.concatenate([generated, noise.numpy()])


def _recognition_errors(
    model: InfoGAN, session: Any, images: UInt8[np.ndarray, "n h w c"]
) -> dict[str, float]:
    ports = graphs.recognition_outputs(model)
    outputs = dict(
        zip((port.name for port in ports), session.run([p.name for p in ports], {graphs.SOURCE: images}),
            strict=True)
    )  # fmt: skip
    features = model.features(images).numpy()
    scale = max(1.0, float(np.abs(features).max()))
    errors = {graphs.FEATURES: float(np.abs(outputs[graphs.FEATURES] - features).max()) / scale}
    raw = model.recognise(images)
    for name, posterior in model.latents.posteriors(raw).items():
        prior = model.latents.priors[name]
        mean, std = posterior.mean.numpy(), moments(posterior)[1]
        first = next(port.name for port in ports if port.name.startswith(f"{name}."))
        distance = outputs[first].reshape(mean.shape) - mean
        if prior.period is not None:  # both ends of a circle are the same
            distance -= prior.period * np.round(distance / prior.period)
        errors[first] = float(np.abs(distance).max()) / prior.unit
        if std is not None:
            key = f"{name}.std"
            errors[key] = float(np.abs(outputs[key] - std.numpy()).max()) / prior.unit
    return errors


def _update(errors: dict[str, float], name: str, value: float) -> None:
    errors[name] = max(errors.get(name, 0.0), value)
