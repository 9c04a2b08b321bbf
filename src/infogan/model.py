"""InfoGAN as one object: the prior and the networks; sample, traverse, encode, save and load.

Images are uint8 [N, H, W, C] numpy arrays here; nothing of training is imported, so that whoever only uses
a trained model pays nothing for it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from infogan import config as configuration
from infogan import images as edge
from infogan import networks, plugins, storage, streams
from infogan.augmentation import still
from infogan.config import Config
from infogan.errors import ConfigError, StorageError, UsageError, did_you_mean
from infogan.latents import Codes, Latents
from infogan.networks.normalization import Domain, add_domain

_READINGS = 8  # fields of noise through which continuous codes are read, where they were in training
_ENCODE_BATCH = 64  # every batch is filled up to it, so that an image's code never depends on its company
_GENERATE_BATCH = 256

Weights = str
"""Which generator to draw from: "raw", or "ema" where an exponential moving average was kept."""


class InfoGAN(nn.Module):
    """The prior over latents and the four networks of a run.

    Args:
        config: with `data.size` and `data.channels` set.
    """

    generator: nn.Module
    trunk: networks.Trunk | networks.CustomTrunk
    recognition: networks.Recognition

    def __init__(self, config: Config) -> None:
        super().__init__()
        size, channels = config.data.size, config.data.channels
        if size is None or channels is None:
            raise ConfigError(
                "data.size or data.channels is not set: the networks cannot be built",
                "a size from 8 to 256 and 1, 3 or 4 channels",
                "--set data.size=28 --set data.channels=1",
            )
        self.size, self.channels = size, channels
        self.config, self.latents = config, Latents(config.latents)
        name = config.network.architecture
        self.table = networks.architecture("generic" if name in networks.NETWORKS else name, size)
        generator, trunk = self._custom_networks(name)
        # On "meta" nothing is allocated, and torch's own initialisation uses no global randomness.
        with torch.device("meta"):
            self._build(None if trunk is None else trunk.features)
        self.to_empty(device="cpu")
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
        networks.initialise(self, streams.generator(config.training.seed, "weights"))
        self.generator = generator or self.generator
        self.trunk = trunk or self.trunk
        networks.rescale(self.recognition, config.network.recognition_init_std)
        self.ema = copy.deepcopy(self.generator) if config.training.ema_decay else None
        self.provenance: dict[str, Any] = {"steps": 0, "images_seen": 0}
        self.eval()

    def _build(self, features: int | None) -> None:
        """Build the networks in the order in which their weights are initialised.

        Args:
            features: of a trunk that replaces the table's; None: those of the table.
        """
        config, network = self.config, self.config.network
        of_batch = networks.Style(network.width, self.table.leak)
        spectral = networks.Style(network.width, self.table.leak, network.spectral_bound)
        of_trunk = spectral if network.normalization == "spectral" else of_batch
        self.generator = networks.Generator(
            self.table, self.latents.width, self.channels, self.size, network.width
        )
        self.trunk = networks.Trunk(self.table, self.channels, self.size, of_trunk)
        features = features or self.trunk.features
        self.discriminator = networks.Discriminator(features, of_trunk.bound)
        self.recognition = networks.Recognition(
            self.table,
            features,
            self.latents.posterior_width,
            spectral if network.spectral_recognition else of_batch,
            subcodes=self.latents.subcode_width if config.objective.subcode_weight else 0,
        )
        self.contrastive: networks.PairClassifier | None = None
        if config.objective.contrastive_weight:
            pairs = networks.Trunk(self.table, 2 * self.channels, self.size, spectral)
            self.contrastive = networks.PairClassifier(pairs, len(self.latents.dimensions))
        if config.reads_through_noise:
            add_domain(self.trunk, "noisy")
            add_domain(self.recognition, "noisy")

    def _custom_networks(self, name: str) -> tuple[nn.Module | None, networks.CustomTrunk | None]:
        """Return the generator and the trunk of a plug-in, where it has them."""
        if name not in networks.NETWORKS:
            return None, None
        shape = networks.NetworkShape(self.latents.width, self.channels, self.size)
        with streams.seeded(self.config.training.seed, "weights/custom"):
            custom = networks.NETWORKS[name](shape)
        generator = None if custom.generator is None else networks.CustomGenerator(custom.generator)
        return generator, None if custom.trunk is None else networks.CustomTrunk(custom.trunk, shape)

    # --- using a trained model -----------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.parameters()).device

    @property
    def weights(self) -> Weights:
        """The generator that `sample` and `traverse` use when not told: "ema" where there is one."""
        return "raw" if self.ema is None else "ema"

    def sample(
        self,
        count: int,
        *,
        seed: int = 0,
        codes: Mapping[str, Any] | None = None,
        weights: Weights | None = None,
    ) -> UInt8[np.ndarray, "count h w c"]:
        """Generated images, each with its own noise and codes.

        Args:
            count: how many images.
            seed: the same seed gives the same images.
            codes: values to hold fixed, by name: a category's index or a number (or one a dimension), for
                all images; the other codes are drawn from their priors.
            weights: "raw" or "ema".
        """
        noise, drawn = self.draw(count, seed=seed)
        for name, value in (codes or {}).items():
            drawn[name] = self._code_values(name, value).expand(count, -1)
        return self.generate(noise, drawn, weights=weights)

    def traverse(
        self,
        name: str,
        *,
        rows: int = 8,
        seed: int = 0,
        values: Sequence[float | Sequence[float]] | None = None,
        weights: Weights | None = None,
    ) -> UInt8[np.ndarray, "rows columns h w c"]:
        """What one code does: along a row the noise and all other codes stay fixed (Figure 2).

        Args:
            name: of the code.
            rows: how many draws of noise and other codes.
            seed: of those draws.
            values: the code's values across; when left out every category, twice the trained range, or one
                full turn of a periodic code without its end.
            weights: "raw" or "ema".

        Raises:
            UsageError: no code has that name.
        """
        line = self.traversal_values(name, values)
        noise, codes = self.draw(rows, seed=seed)
        columns = len(line)
        repeated = {key: value.repeat_interleave(columns, 0) for key, value in codes.items()}
        repeated[name] = line.repeat(rows, 1)
        pictures = self.generate(noise.repeat_interleave(columns, 0), repeated, weights=weights)
        return pictures.reshape(rows, columns, *pictures.shape[1:])

    def traversal_values(
        self, name: str, values: Sequence[float | Sequence[float]] | None = None
    ) -> Float[Tensor, "columns width"]:
        """The rows of code values that `traverse` shows across."""
        self.check_code(name)
        if values is None:
            return self.latents.priors[name].traversal()
        return torch.cat([self._code_values(name, value) for value in values])

    @torch.inference_mode()
    def encode(
        self, images: UInt8[np.ndarray, "n h w c"], *, domain: Domain = "real"
    ) -> dict[str, np.ndarray]:
        """What Q reads from images: the mean of each code's posterior, an angle's mean direction.

        Args:
            images: uint8, of the model's size and channels.
            domain: "real" for photographs and scans, "fake" for images of this generator: each is
                normalised by the statistics of its own kind. Continuous codes that training read through
                noise are read through noise, and by the statistics of generated images.

        Returns:
            Per code float32 [N, K] probabilities for a category of K values, [N] for a code of one
            dimension, else [N, dim].
        """
        raw = self.recognise(images, domain=domain)
        means = {name: q.mean.numpy() for name, q in self.latents.posteriors(raw).items()}
        return {
            name: mean[:, 0] if self.latents.priors[name].width == 1 else mean for name, mean in means.items()
        }

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes model.safetensors, config.toml and provenance.json, with a manifest of sha256 sums.

        Raises:
            StorageError: the folder cannot be written; what was there before is still there.
        """
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}
        storage.write_folder(
            Path(folder),
            {
                "model.safetensors": safetensors.torch.save(tensors),
                "config.toml": configuration.to_toml(self.config).encode(),
                "provenance.json": json.dumps(self.provenance, sort_keys=True).encode(),
            },
        )

    @classmethod
    def from_pretrained(cls, path: str | Path) -> InfoGAN:
        """The model in a run (its `model` folder) or in a folder that `save_pretrained` wrote.

        Raises:
            UsageError: there is no model at `path`.
            StorageError: a file is damaged, or the weights do not fit the configuration.
            UsageError: the networks are those of a plug-in that is not loaded, or has changed.
        """
        path = Path(path)
        folder = path / "model" if (path / "model").is_dir() else path
        if not (folder / "model.safetensors").is_file():
            stopped = (path / "checkpoints").is_dir() or (path / "selection.json").is_file()
            raise UsageError(
                f"{path} holds no model"
                + (" yet: its training has not ended or been stopped" if stopped else ""),
                "a run, or a folder with model.safetensors and config.toml",
                f"infogan resume {path}" if stopped else "infogan train mnist-5k, to make a run",
            )
        files = storage.read_folder(folder)
        lacking = {"model.safetensors", "config.toml", "provenance.json"} - set(files)
        if lacking:
            raise StorageError(
                f"{folder} is no whole model: its manifest has no {' and no '.join(sorted(lacking))}",
                "a folder that save_pretrained wrote",
                "another copy of the model",
            )
        config = configuration.parse(files["config.toml"].decode(), str(folder / "config.toml"))
        name = config.network.architecture
        if name not in networks.ARCHITECTURES:
            plugins.check(config.plugins, plugins.used([(networks.NETWORKS, name)]), str(path))
        model = cls(config)
        model.provenance = json.loads(files["provenance.json"])
        try:
            tensors = safetensors.torch.load(files["model.safetensors"])
        except safetensors.SafetensorError as error:
            raise StorageError(
                f"{folder / 'model.safetensors'} cannot be read: {error}",
                "a safetensors file that infogan wrote",
                "another copy of the model",
            ) from None
        model.load_tensors(tensors, str(folder / "model.safetensors"))
        return model

    # --- for evaluation and training -----------------------------------------------------------------

    def draw(
        self, count: int, *, seed: int, stream: str = "sample"
    ) -> tuple[Float[Tensor, "n noise"], Codes]:
        """Noise and codes from their priors, on the CPU."""
        noise = self.latents.sample_noise(count, streams.generator(seed, f"{stream}/noise"))
        return noise, self.latents.sample_codes(count, streams.generator(seed, f"{stream}/codes"))

    @torch.inference_mode()
    def generate(
        self, noise: Float[Tensor, "n noise"], codes: Mapping[str, Tensor], *, weights: Weights | None = None
    ) -> UInt8[np.ndarray, "n h w c"]:
        """Images of given noise and codes, batch norm with running statistics."""
        network = self._generator(weights or self.weights)
        latents = self.latents.join(noise, codes)
        with _evaluating(network):
            parts = [
                edge.to_uint8(network(part.to(self.device)), self.table.output).cpu()
                for part in latents.split(_GENERATE_BATCH)
            ]
        return torch.cat(parts).numpy()

    @torch.inference_mode()
    def recognise(
        self,
        images: UInt8[np.ndarray, "n h w c"],
        *,
        domain: Domain = "real",
        moved: bool = False,
    ) -> Float[Tensor, "n outputs"]:
        """Raw outputs of Q's head for images, on the CPU; one image alone exactly as in a batch.

        Args:
            images: uint8, of the model's size and channels.
            domain: as of `encode`.
            moved: whether they were changed as in training, and so are soft already.
        """
        return self._read(images, domain, features=False, moved=moved)

    @torch.inference_mode()
    def features(
        self, images: UInt8[np.ndarray, "n h w c"], *, domain: Domain = "real"
    ) -> Float[Tensor, "n features"]:
        """The shared trunk's features, on the CPU."""
        return self._read(images, domain, features=True)

    def load_tensors(self, tensors: Mapping[str, Tensor], source: str) -> None:
        """Takes over weights and statistics after a check of every name, shape and type.

        Raises:
            StorageError: with the first mismatches; no weight was changed.
        """
        own = self.state_dict()
        wrong = [f"{name} is missing" for name in own if name not in tensors]
        wrong += [f"{name} is not known" for name in tensors if name not in own]
        wrong += [
            f"{name} is {_form(tensors[name])}, not {_form(value)}"
            for name, value in own.items()
            if name in tensors and _form(tensors[name]) != _form(value)
        ]
        if wrong:
            raise StorageError(
                f"{source} does not fit its configuration: {'; '.join(wrong[:3])}"
                + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""),
                f"the {len(own)} tensors of the configured networks",
                "the config.toml that the weights were written with",
            )
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(tensors[name])

    def check_code(self, name: str) -> None:
        """Raises UsageError unless a code has that name."""
        if name not in self.latents.priors:
            known = list(self.latents.priors)
            raise UsageError(
                f"no code is named {name!r}{did_you_mean(name, known)}",
                f"one of {', '.join(known)}",
                f"--code {known[0]}",
            )

    def _generator(self, weights: Weights) -> nn.Module:
        if weights == "raw":
            return self.generator
        if weights == "ema" and self.ema is not None:
            return self.ema
        raise UsageError(
            f"weights = {weights!r}: this model has no such generator",
            "raw" if self.ema is None else "raw or ema",
            "--set ema_decay=0.999 when training, to keep a moving average",
        )

    def _code_values(self, name: str, value: Any) -> Float[Tensor, "1 width"]:
        """One row of code values from an index of a category, a number, or one number a dimension."""
        self.check_code(name)
        code = self.latents.priors[name].code
        given = np.atleast_1d(np.asarray(value, dtype=np.float64))
        categorical = isinstance(code, configuration.Categorical)
        whole = bool(np.all((given == given.round()) & (given >= 0))) and categorical
        if given.shape != (code.dim,) or (categorical and not (whole and given.max() < code.size)):
            limits = f"an index from 0 to {code.size - 1}" if categorical else "a number"
            raise UsageError(
                f"{name} = {value!r} is no value of this code",
                limits if code.dim == 1 else f"{code.dim} of {limits}",
                f"0 for {name}; infogan traverse RUN --code {name} shows what its values do",
            )
        if categorical:
            index = torch.from_numpy(given.astype(np.int64))
            return nn.functional.one_hot(index, code.size).flatten()[None].float()
        return torch.from_numpy(given.astype(np.float32))[None]

    def _read(self, images: np.ndarray, domain: Domain, *, features: bool, moved: bool = False) -> Tensor:
        form = (self.size, self.size, self.channels)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != form:
            raise UsageError(
                f"images are {images.dtype} {list(images.shape)}",
                f"uint8 [N, {', '.join(map(str, form))}], the form that this model was trained on",
                "infogan encode RUN IMAGES, which resizes files",
            )
        parts = []
        with _evaluating(self.trunk), _evaluating(self.recognition):
            for start in range(0, len(images), _ENCODE_BATCH):
                part = images[start : start + _ENCODE_BATCH]
                full = np.zeros((_ENCODE_BATCH, *images.shape[1:]), np.uint8)
                full[: len(part)] = part
                x = edge.to_float(torch.from_numpy(full).to(self.device), self.table.output)
                x = x if moved else still(x, self.config.augmentation)
                found = self.trunk(x, (domain,))
                if not features:
                    found = self._through_noise(x, self.recognition(found, (domain,)).float())
                parts.append(found[: len(part)].float().cpu())
        empty = self.trunk.features if features else self.latents.posterior_width
        return torch.cat(parts) if len(images) else torch.zeros(0, empty)

    @property
    def code_noise(self) -> float:
        """Std of the noise through which continuous codes are read: as at the step where training stood."""
        steps = self.provenance.get("steps", self.config.training.steps)
        policy = self.config.augmentation
        return policy.for_codes(steps).pixel_noise if self.config.reads_through_noise else 0.0

    def _through_noise(
        self, images: Float[Tensor, "n c h w"], raw: Float[Tensor, "n outputs"]
    ) -> Float[Tensor, "n outputs"]:
        """Raw outputs in which continuous codes are read as in training, where that was through noise.

        Q has only learned to read them from noisy images: of clean ones it may read nothing. The mean over a
        few fields of noise, which are the same for every image, so that an image is read as it is alone.
        """
        std = self.code_noise
        if not std:
            return raw
        noisy = torch.zeros_like(raw)
        for number in range(_READINGS):
            draw = streams.generator(0, "encode/noise", number)
            field = torch.randn(images.shape[1:], generator=draw).to(images.device)
            # Statistics of noisy images are of generated ones: no others were read so.
            noisy += self.recognition(self.trunk(images + std * field, ("noisy",)), ("noisy",)).float()
        columns = [
            torch.full((prior.posterior_width,), name in self.config.continuous)
            for name, prior in self.latents.priors.items()
        ]
        return torch.where(torch.cat(columns).to(raw.device), noisy / _READINGS, raw)


def _form(tensor: Tensor) -> str:
    return f"{tensor.dtype} {list(tensor.shape)}"


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Batch norm with running statistics inside, as it was outside."""
    was = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was)
