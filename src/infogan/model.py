"""The class `InfoGAN`: it samples, traverses, encodes, saves and loads.

Images are uint8 [N, H, W, C] numpy arrays here. Nothing is imported from `infogan.training`, so that a
trained model loads fast.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from infogan import config as configuration
from infogan import hub_models, inline_html, model_files, networks, storage, streams
from infogan import images as edge
from infogan.augmentation import still
from infogan.config import Config
from infogan.errors import ConfigError, StorageError, UsageError, did_you_mean
from infogan.latents import Codes, Latents
from infogan.networks.normalization import Domain, add_domain

NOISE_FIELDS = 8
"""Number of noise fields over which predictions of continuous codes are averaged."""

_ENCODE_BATCH = 64  # each batch is padded to it, so that an image's code does not depend on its batch
_GENERATE_BATCH = 256
_SHOWN_ROWS, _SHOWN_COLUMNS = 4, 12  # samples that a notebook shows

Weights = str
"""The generator's weights: "raw", or "ema" for their exponential moving average, if training kept one."""


class InfoGAN(nn.Module):
    """The prior over latents, and the networks: generator, trunk, discriminator and recognition network.

    Args:
        config: the configuration, in which `data.size` and `data.channels` are set.
        stored_bytes: size of the file with the weights, if there is one: networks of more bytes are refused
            before they are allocated.

    Attributes:
        encoder: Q's own trunk, if the table has one; the trunk is then D's alone.
        run: the run directory that the model comes from; None for a model that no run has trained.
    """

    generator: nn.Module
    trunk: networks.Trunk | networks.CustomTrunk
    recognition: networks.Recognition

    def __init__(self, config: Config, *, stored_bytes: int | None = None) -> None:
        super().__init__()
        size, channels = config.data.size, config.data.channels
        if size is None or channels is None:
            raise ConfigError(
                "data.size or data.channels is not set: the networks cannot be built",
                "a size from 8 to 256 and 1, 3 or 4 channels",
                "data.size=28 and data.channels=1",
                command="--set data.size=28 --set data.channels=1",
            )
        self.size, self.channels = size, channels
        self.config, self.latents = config, Latents(config.latents)
        name = config.network.architecture
        networks.check_architecture(name)
        self.table = networks.architecture("generic" if name in networks.NETWORKS else name, size)
        generator, trunk = self._custom_networks(name)
        # On "meta" nothing is allocated, and torch's own initialisation uses no global randomness.
        with torch.device("meta"):
            self._build(None if trunk is None else trunk.features)
        if stored_bytes is not None and generator is trunk is None:
            self._check_bytes(stored_bytes)
        self.to_empty(device="cpu")
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
        networks.initialise(self, streams.generator(config.training.seed, "weights"))
        self.generator = generator or self.generator
        self.trunk = trunk or self.trunk
        networks.rescale(self.recognition, config.network.recognition_init_std)
        self.ema = copy.deepcopy(self.generator) if config.training.ema_decay else None
        self.provenance: dict[str, Any] = {"steps": 0, "images_seen": 0}
        self.run: Path | None = None
        self.eval()

    def _check_bytes(self, stored: int) -> None:
        """Raise StorageError if the networks, not allocated yet, have more bytes than their file."""
        needed = sum(value.numel() * value.element_size() for value in self.state_dict().values())
        if needed > stored:
            raise StorageError(
                f"the configuration asks for networks of {needed:,} bytes, and the weights have {stored:,}",
                "the config.toml that the weights were written with",
                "another copy of the model",
            )

    def _build(self, features: int | None) -> None:
        """Build the networks in the order in which their weights are initialised.

        Args:
            features: number of features of a trunk from a plug-in; None for the trunk of the architecture's
                table.
        """
        config, network = self.config, self.config.network
        of_batch = networks.Style(network.width, self.table.leak)
        spectral = networks.Style(network.width, self.table.leak, network.spectral_bound)
        of_trunk = spectral if network.normalization == "spectral" else of_batch
        self.encoder: networks.Trunk | None = None
        if self.table.encoder:
            self._check_encoder()
            of_batch = replace(of_batch, domains=("real",))
            of_encoder = networks.Style(network.width, 0.0, domains=("real",))
            self.encoder = networks.Trunk(self.table, self.channels, self.size, of_encoder, encoder=True)
        self.generator = networks.Generator(
            self.table, self.latents.width, self.channels, self.size, network.width
        )
        self.trunk = networks.Trunk(self.table, self.channels, self.size, of_trunk)
        features = features or self.trunk.features
        codes = self.latents.width - self.latents.noise if network.pairs else 0
        self.discriminator = networks.Discriminator(features, of_trunk.bound, codes=codes)
        self.recognition = networks.Recognition(
            self.table,
            features if self.encoder is None else self.encoder.features,
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

    def _check_encoder(self) -> None:
        """Raise ConfigError if continuous codes are predicted from noisy images."""
        if self.config.reads_through_noise:
            raise ConfigError(
                "augmentation.code_noise with a table in which Q has its own encoder: its batch norm has "
                "statistics of real images only",
                "augmentation.code_noise unset, or a table whose trunk D and Q share",
                "network.architecture = 'generic'",
            )

    def _custom_networks(self, name: str) -> tuple[nn.Module | None, networks.CustomTrunk | None]:
        """Return the generator and the trunk of a registered network; None if it does not define one."""
        if name not in networks.NETWORKS:
            return None, None
        shape = networks.NetworkShape(self.latents.width, self.channels, self.size)
        with streams.seeded(self.config.training.seed, "weights/custom"):
            custom = networks.NETWORKS[name](shape)
        generator = None if custom.generator is None else networks.CustomGenerator(custom.generator)
        return generator, None if custom.trunk is None else networks.CustomTrunk(custom.trunk, shape)

    @property
    def feature_extractor(self) -> networks.Trunk | networks.CustomTrunk:
        """The network whose features Q receives: its own encoder, or the trunk that it shares with D."""
        return self.trunk if self.encoder is None else self.encoder

    def statistics_domain(self, domain: Domain) -> Domain:
        """Return the domain whose batch-norm statistics Q uses for images of `domain`.

        With its own encoder, Q predicts codes of generated images exactly as it does those of real ones.
        """
        return domain if self.encoder is None else "real"

    def predict(self, images: Float[Tensor, "n c h w"], domain: Domain) -> Float[Tensor, "n outputs"]:
        """Return Q's raw outputs for images, by the current mode of the networks."""
        domains = (self.statistics_domain(domain),)
        raw: Tensor = self.recognition(self.feature_extractor(images, domains), domains)
        return raw

    def _repr_html_(self) -> str:
        """Return the codes and some samples, for a notebook."""
        steps = self.provenance["steps"]
        trained = f"trained for {steps:,} steps" if steps else "not trained"
        rows = [(name, _described(prior.code)) for name, prior in self.latents.priors.items()]
        samples = self.sample(_SHOWN_ROWS * _SHOWN_COLUMNS)
        return inline_html.block(
            f"InfoGAN, {self.size}x{self.size}x{self.channels}",
            inline_html.line(f"{trained}{f'; run {self.run}' if self.run else ''}"),
            inline_html.table(("code", "prior"), rows),
            inline_html.image_grid(
                samples.reshape(_SHOWN_ROWS, _SHOWN_COLUMNS, *samples.shape[1:]), "samples"
            ),
        )

    # --- using a trained model -----------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    @property
    def weights(self) -> Weights:
        """The default weights of `sample` and `traverse`: "ema" if there is a moving average, else "raw"."""
        return "raw" if self.ema is None else "ema"

    def sample(
        self,
        count: int,
        *,
        seed: int = 0,
        codes: Mapping[str, Any] | None = None,
        weights: Weights | None = None,
    ) -> UInt8[np.ndarray, "count h w c"]:
        """Generate images with random noise and codes.

        Args:
            count: number of images.
            seed: random seed.
            codes: fixed values of codes by name, for all images. A value is the index of a category or a
                number; a code with several dimensions takes one per dimension. Other codes are sampled from
                their priors.
            weights: "raw" or "ema"; by default `self.weights`.

        Raises:
            UsageError: a code or value does not exist, or the model has no such weights.
        """
        noise, sampled = self.draw(count, seed=seed)
        for name, value in (codes or {}).items():
            sampled[name] = self._code_values(name, value).expand(count, -1)
        return self.generate(noise, sampled, weights=weights)

    def traverse(
        self,
        name: str,
        *,
        rows: int = 8,
        seed: int = 0,
        values: Sequence[float | Sequence[float]] | None = None,
        weights: Weights | None = None,
    ) -> UInt8[np.ndarray, "rows columns h w c"]:
        """Generate a latent traversal of one code (Figure 2): along a row, only this code varies.

        Args:
            name: name of the code.
            rows: number of rows, each with its own noise and other codes.
            seed: random seed of the noise and of the other codes.
            values: values of the code, one per column. By default all categories, or twice the range of a
                continuous code, or one full turn of a periodic code (without its end, which equals its
                start).
            weights: "raw" or "ema"; by default `self.weights`.

        Raises:
            UsageError: no code has that name, a value does not fit it, or the model has no such weights.
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
        """Return the values of a code in the columns of `traverse`; `values` is its argument."""
        self.check_code(name)
        if values is None:
            return self.latents.priors[name].traversal()
        return torch.cat([self._code_values(name, value) for value in values])

    @torch.inference_mode()
    def encode(
        self, images: UInt8[np.ndarray, "n h w c"], *, domain: Domain = "real"
    ) -> dict[str, np.ndarray]:
        """Predict the codes of images.

        The prediction is the mean of the posterior, and its direction for a periodic code. If Q predicted
        continuous codes from noisy images in training, it does so here, too.

        Args:
            images: uint8 images with the model's size and channels.
            domain: "real" for real images, "fake" for images of this generator; selects the statistics of
                batch norm. Both are the same if Q has its own encoder.

        Returns:
            A float32 array for each code: probabilities [N, K] for a code with K categories, [N] for a code
            with one dimension, and [N, dim] for other codes.

        Raises:
            UsageError: the images have another type or shape.
        """
        raw = self.recognise(images, domain=domain)
        means = {name: q.mean.numpy() for name, q in self.latents.posteriors(raw).items()}
        return {
            name: mean[:, 0] if self.latents.priors[name].width == 1 else mean for name, mean in means.items()
        }

    def save_pretrained(self, folder: str | Path) -> None:
        """Write model.safetensors, config.toml and provenance.json, with a manifest of SHA-256 sums.

        Raises:
            StorageError: the folder cannot be written; its former content is unchanged.
        """
        storage.write_folder(Path(folder), self.files())

    def files(self) -> dict[str, bytes]:
        """Return the files of `save_pretrained` by name, without the manifest."""
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}
        return model_files.pack(self.config, self.provenance, tensors)

    @classmethod
    def from_pretrained(cls, path: str | Path, *, revision: str | None = None) -> InfoGAN:
        """Load the model of a run (its `model` folder) or of a folder that `save_pretrained` wrote.

        Args:
            path: a folder; or OWNER/NAME of a model on the Hugging Face Hub, if no folder OWNER exists.
            revision: branch, tag or commit on the Hub; by default the newest commit. `provenance["hub"]` of
                the model records the commit that was loaded.

        Raises:
            UsageError: there is no model at `path`; or a plug-in of its networks is not loaded, or has
                changed.
            StorageError: a file is damaged, or the weights do not fit the configuration; or the Hub cannot be
                reached.
        """
        if hub_models.is_repository(path):
            downloaded = hub_models.download(str(path), revision)
            model = cls.from_pretrained(downloaded.folder)
            model.provenance["hub"] = {"repository": str(path), "revision": downloaded.revision}
            return model
        path = Path(path)
        found = model_files.read(path)
        model = cls(found.config, stored_bytes=found.stored_bytes)
        model.run = path if found.folder != path else None
        model.provenance = found.provenance
        model.load_tensors(found.tensors, str(found.folder / model_files.WEIGHTS))
        return model

    # --- for evaluation and training -----------------------------------------------------------------

    def draw(
        self, count: int, *, seed: int, stream: str = "sample"
    ) -> tuple[Float[Tensor, "n noise"], Codes]:
        """Sample noise and codes from their priors, on the CPU."""
        noise = self.latents.sample_noise(count, streams.generator(seed, f"{stream}/noise"))
        return noise, self.latents.sample_codes(count, streams.generator(seed, f"{stream}/codes"))

    @torch.inference_mode()
    def generate(
        self, noise: Float[Tensor, "n noise"], codes: Mapping[str, Tensor], *, weights: Weights | None = None
    ) -> UInt8[np.ndarray, "n h w c"]:
        """Generate images from noise and codes, with the running statistics of batch norm."""
        network = self._generator(weights or self.weights)
        latents = self.latents.join(noise, codes)
        with evaluating(network):
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
        augmented: bool = False,
    ) -> Float[Tensor, "n outputs"]:
        """Return the raw outputs of Q's head, on the CPU; an image's outputs do not depend on its batch.

        Args:
            images: uint8, of the model's size and channels.
            domain: as in `encode`.
            augmented: the images are augmented views, which interpolation has already blurred.
        """
        return self._forward(images, domain, want=("raw",), augmented=augmented)["raw"]

    @torch.inference_mode()
    def features(
        self, images: UInt8[np.ndarray, "n h w c"], *, domain: Domain = "real"
    ) -> Float[Tensor, "n features"]:
        """Return the features that Q receives, on the CPU; arguments as in `encode`."""
        return self._forward(images, domain, want=("features",))["features"]

    @torch.inference_mode()
    def recognise_with_features(
        self, images: UInt8[np.ndarray, "n h w c"], *, domain: Domain = "real"
    ) -> tuple[Float[Tensor, "n outputs"], Float[Tensor, "n features"]]:
        """Return what `recognise` and `features` return, in one pass through the networks."""
        found = self._forward(images, domain, want=("raw", "features"))
        return found["raw"], found["features"]

    def load_tensors(self, tensors: Mapping[str, Tensor], source: str) -> None:
        """Load weights and statistics, after a check of every name, shape and type.

        Args:
            tensors: as `state_dict` returns them.
            source: where they come from, for error messages.

        Raises:
            StorageError: a tensor is missing, unknown or of another form; no weight is changed.
        """
        _load(self, tensors, source)

    def load_encoder(self, tensors: Mapping[str, Tensor], source: str = "the pretrained encoder") -> None:
        """Initialise Q's encoder from one that was trained before, such as by contrastive learning.

        Args:
            tensors: its state dict. Statistics of generated images, which it may have, are ignored.
            source: where they come from, for error messages.

        Raises:
            ConfigError: Q has no encoder.
            StorageError: a tensor is missing, unknown or of another form; no weight is changed.
        """
        if self.encoder is None:
            raise ConfigError(
                f"network.architecture = {self.config.network.architecture!r}: Q has no encoder",
                "a table with an encoder, such as anchored",
                "network.architecture='anchored'",
                command="--set architecture=anchored",
            )
        of_real = {k: v for k, v in tensors.items() if not k.rpartition(".")[2].startswith("fake_")}
        _load(self.encoder, of_real, source)

    def check_code(self, name: str) -> None:
        """Raise UsageError if no code has that name."""
        if name not in self.latents.priors:
            known = list(self.latents.priors)
            raise UsageError(
                f"no code is named {name!r}{did_you_mean(name, known)}",
                f"one of {', '.join(known)}",
                f"the code {known[0]!r}",
                command=f"--code {known[0]}",
            )

    def _generator(self, weights: Weights) -> nn.Module:
        if weights == "raw":
            return self.generator
        if weights == "ema" and self.ema is not None:
            return self.ema
        raise UsageError(
            f"weights = {weights!r}: this model has no such generator",
            "raw" if self.ema is None else "raw or ema",
            "training.ema_decay=0.999 when training, to keep a moving average",
            command="--set ema_decay=0.999 when training, to keep a moving average",
        )

    def _code_values(self, name: str, value: Any) -> Float[Tensor, "1 width"]:
        """Return a row of code values for a value as in `sample`."""
        self.check_code(name)
        code = self.latents.priors[name].code
        given = np.atleast_1d(np.asarray(value, dtype=np.float64))
        categorical = isinstance(code, configuration.Categorical)
        whole = bool(np.all((given == given.round()) & (given >= 0))) and categorical
        if given.shape != (code.dim,) or (categorical and not (whole and given.max() < code.size)):
            limits = f"an index from 0 to {code.size - 1}" if categorical else "a number"
            raise UsageError(
                f"{name} = {value!r} is not a value of this code",
                limits if code.dim == 1 else f"{code.dim} of {limits}",
                f"0 for {name}; model.traverse({name!r}) shows what its values do",
                command=f"0 for {name}; infogan traverse RUN --code {name} shows what its values do",
            )
        if categorical:
            index = torch.from_numpy(given.astype(np.int64))
            return nn.functional.one_hot(index, code.size).flatten()[None].float()
        return torch.from_numpy(given.astype(np.float32))[None]

    def _forward(
        self, images: np.ndarray, domain: Domain, *, want: Collection[str], augmented: bool = False
    ) -> dict[str, Tensor]:
        """Return the `features` that Q receives and Q's `raw` outputs, computed in batches of constant size.

        Args:
            images: as in `recognise`.
            domain: as in `recognise`.
            want: which of the two to return.
            augmented: as in `recognise`.
        """
        form = (self.size, self.size, self.channels)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != form:
            raise UsageError(
                f"images are {images.dtype} {list(images.shape)}",
                f"uint8 [N, {', '.join(map(str, form))}], the shape that this model was trained on",
                "infogan encode RUN IMAGES, which resizes files",
            )
        empty = {"raw": self.latents.posterior_width, "features": self.feature_extractor.features}
        parts: dict[str, list[Tensor]] = {name: [torch.zeros(0, empty[name])] for name in want}
        extractor, domain = self.feature_extractor, self.statistics_domain(domain)
        with evaluating(extractor), evaluating(self.recognition):
            for start in range(0, len(images), _ENCODE_BATCH):
                part = images[start : start + _ENCODE_BATCH]
                full = np.zeros((_ENCODE_BATCH, *images.shape[1:]), np.uint8)
                full[: len(part)] = part
                x = edge.to_float(torch.from_numpy(full).to(self.device), self.table.output)
                x = x if augmented else still(x, self.config.augmentation)
                outputs = {"features": extractor(x, (domain,))}
                if "raw" in parts:
                    raw = self.recognition(outputs["features"], (domain,)).float()
                    outputs["raw"] = self._predict_from_noisy(x, raw)
                for name, of_batches in parts.items():
                    of_batches.append(outputs[name][: len(part)].float().cpu())
        return {name: torch.cat(of_batches) for name, of_batches in parts.items()}

    @property
    def code_noise(self) -> float:
        """Std of the pixel noise through which Q predicts continuous codes, at the last step of training."""
        steps = self.provenance.get("steps", self.config.training.steps)
        policy = self.config.augmentation
        return policy.for_codes(steps).pixel_noise if self.config.reads_through_noise else 0.0

    def _predict_from_noisy(
        self, images: Float[Tensor, "n c h w"], raw: Float[Tensor, "n outputs"]
    ) -> Float[Tensor, "n outputs"]:
        """Replace the raw outputs of continuous codes by those for noisy images, if training used noise.

        In this case, Q has learned to predict these codes from noisy images only. Predictions are averaged
        over a few noise fields. These are the same for all images, so that the codes of an image do not
        depend on its batch.
        """
        std = self.code_noise
        if not std:
            return raw
        noisy = torch.zeros_like(raw)
        for number in range(NOISE_FIELDS):
            rng = streams.generator(0, "encode/noise", number)
            field = torch.randn(images.shape[1:], generator=rng).to(images.device)
            noisy += self.predict(images + std * field, "noisy").float()
        columns = [
            torch.full((prior.posterior_width,), name in self.config.continuous)
            for name, prior in self.latents.priors.items()
        ]
        return torch.where(torch.cat(columns).to(raw.device), noisy / NOISE_FIELDS, raw)


def _described(code: configuration.Code) -> str:
    """Return the prior of a code as text."""
    size = f", {code.size} categories" if isinstance(code, configuration.Categorical) else ""
    return f"{code.kind}{size}{f', {code.dim} dimensions' if code.dim > 1 else ''}"


def _load(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load weights and statistics into a module; as `InfoGAN.load_tensors`."""
    own = module.state_dict()
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


def _form(tensor: Tensor) -> str:
    return f"{tensor.dtype} {list(tensor.shape)}"


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode inside the block, and restore its mode afterwards."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
