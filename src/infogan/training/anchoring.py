"""The phase before training: learn from the real images, then fit Q to what was found.

The result lies in RUN/representation and is a function of the images and the configuration. An interrupted
contrastive training resumes from RUN/representation-training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from infogan import images as edge
from infogan import recipes, regularizers, signals, storage, streams
from infogan.augmentation import augment
from infogan.config import Config, Continuous
from infogan.data import Dataset
from infogan.errors import Interrupted
from infogan.model import InfoGAN
from infogan.representation import learning
from infogan.representation.candidates import unique_images
from infogan.representation.categories import side_by_side
from infogan.representation.category_search import given_clusters
from infogan.representation.contrastive import ContrastiveSettings, ContrastiveTraining, Encoder
from infogan.representation.learning import Learned
from infogan.representation.neighbours import PrincipalComponents, nearest
from infogan.representation.views import Views
from infogan.runs import representation_files
from infogan.runs.directory import RunDirectory
from infogan.runs.representation_files import Representation
from infogan.training.anchors import Anchors

FIT_BATCH, FIT_RATE = 128, 2e-3
"""Images per step, and AdamW's largest learning rate, when Q is fitted to the candidates."""

_FIT_DECAY = 1e-3
_SAVE_EVERY = 200  # steps of the contrastive encoder between two checkpoints
_STATE = "state.safetensors"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Phase:
    """The phase before training of one run.

    Attributes:
        config: its `learns_first` is True if there is something to do.
        dataset: only its training images are used, without labels.
        run: the run directory.
        say: called with messages.
    """

    config: Config
    dataset: Dataset
    run: RunDirectory
    say: Say

    def complete(self) -> Config:
        """Do what is not done yet, and return the configuration with the codes that were found.

        Raises:
            Interrupted: a signal came; the state was saved.
            StorageError: the disk is full, or a file is damaged.
        """
        if not self.config.learns_first:
            return self.config
        done = representation_files.load(self.run.representation)
        if done is None:
            images = np.asarray(self.dataset.train.images)
            encoder = self._encoder(images)
            features = None if encoder is None else encoder.features(images)
            done = self._found(images, features, encoder)
            if self.config.learns_neighbours:
                assert features is not None  # the configuration was checked
                done = replace(done, neighbours=self._neighbours(images, features))
            representation_files.save(self.run.representation, done)
            if self._unfinished.exists():
                storage.remove_folder(self._unfinished)
        given = self.config.representation.codes == "given"
        return self.config if given or done.candidates["empty"] else with_codes(self.config, done)

    def _found(
        self, images: UInt8[np.ndarray, "n h w c"], features: np.ndarray | None, encoder: Encoder | None
    ) -> Representation:
        """Return the anchors of what is found in the images, and Q fitted to them."""
        if self.config.representation.codes == "given":
            return self._given(images, features)
        if not self.config.representation.fit_steps:
            return Representation({}, None, _facts(Learned(None, (), len(images))))
        self.say("searching for categories and continuous candidates")
        count = self.config.representation.categories
        return self.fit(self._learn(images, features=features, categories=count, within=True), encoder)

    @property
    def _learn(self) -> Callable[..., Learned]:
        """`learning.learn` with the settings of this run."""
        search, seed = self.config.objective.neighbour_search, self.config.training.seed
        return partial(learning.learn, search=search, seed=seed, progress=self.say)

    def _given(self, images: UInt8[np.ndarray, "n h w c"], features: np.ndarray | None) -> Representation:
        """Return anchors of the configured categorical code alone."""
        name, size = self.config.given_categories
        self.say(f"searching for {size} categories")
        learned = Learned(None, (), len(images))
        if len(unique_images(images)[0]) < learning.FEWEST:
            self.say(f"fewer than {learning.FEWEST} different images: the categories have no anchors")
            return Representation({}, None, _facts(learned))
        if features is None:
            found = self._communities(images, size)
        else:
            learned = self._learn(images, features=features, categories=size, candidates=())
            assert learned.categories is not None  # since their number is given
            found = learned.categories.probabilities
        unused = np.zeros((len(found), size - found.shape[1]), np.float32)
        anchors = {name: torch.from_numpy(np.concatenate([found, unused], 1))}
        return Representation(anchors, None, {**_facts(learned), "empty": False})

    def _communities(
        self, images: UInt8[np.ndarray, "n h w c"], size: int
    ) -> Float[np.ndarray, "n categories"]:
        """Return clusters of the pixels. They use the neighbours of training, which are found once."""
        objective, known = self.config.objective, None
        if self.config.seeks_neighbours and not self.config.learns_neighbours:
            known = self.dataset.train.nearest(objective.neighbours, objective.neighbour_search)
        scores = PrincipalComponents(images).scores(images).values
        seed, search = self.config.training.seed, objective.neighbour_search
        return given_clusters(scores, size, seed=seed, search=search, neighbours=known)

    def _neighbours(
        self, images: UInt8[np.ndarray, "n h w c"], features: Float[np.ndarray, "n f"]
    ) -> Int64[Tensor, "n k"]:
        """Return the neighbours by principal components of the pixels and by features, side by side."""
        count = self.config.objective.neighbours
        self.say(f"finding the {count} nearest neighbours of each image by pixels and features")
        points = side_by_side(PrincipalComponents(images).scores(images).values, features)
        search = self.config.objective.neighbour_search
        return torch.from_numpy(nearest(points, count, search=search).indices)

    @property
    def _unfinished(self) -> Path:
        return self.run.path / "representation-training"

    def _encoder(self, images: UInt8[np.ndarray, "n h w c"]) -> Encoder | None:
        settings = self.config.representation
        if not settings.contrastive_steps:
            return None
        self.say(f"training the contrastive encoder, {settings.contrastive_steps:,} steps")
        return train_encoder(images, contrastive_settings(self.config), self._unfinished, self.say)

    def fit(self, learned: Learned, encoder: Encoder | None) -> Representation:
        """Return the representation: anchors, and Q fitted to them."""
        facts = _facts(learned)
        if learned.empty:
            self.say("no candidate is stable: the codes have no anchors")
            return Representation({}, None, facts)
        anchors = learned.anchors()
        draft = Representation(anchors, None, facts)
        model = InfoGAN(with_codes(self.config, draft))
        if encoder is not None:
            model.load_encoder(encoder.trunk.state_dict())
        steps = self.config.representation.fit_steps
        self.say(f"fitting Q to {', '.join(anchors)}, {steps:,} steps")
        fit_recognition(model, np.asarray(self.dataset.train.images), Anchors(anchors), steps)
        assert model.encoder is not None
        return Representation(
            anchors, model.encoder.state_dict(), facts, recognition=model.recognition.state_dict()
        )


def _facts(learned: Learned) -> dict[str, Any]:
    """Return how the anchors were found, as JSON."""
    return {**learned.facts(), "empty": learned.empty, "dependence": learned.dependence()}


def contrastive_settings(config: Config, steps: int | None = None) -> ContrastiveSettings:
    """Return the settings of the contrastive encoder of a run."""
    return ContrastiveSettings(
        steps or config.representation.contrastive_steps,
        seed=config.training.seed,
        views=Views(flip=config.representation.flip),
        bfloat16=config.training.precision == "bfloat16",
        width=config.network.width,
    )


def train_encoder(
    images: UInt8[np.ndarray, "n h w c"], settings: ContrastiveSettings, unfinished: Path, say: Say
) -> Encoder:
    """Train the contrastive encoder, or resume it from a folder, where its state is kept.

    Raises:
        Interrupted: a signal came; the state was saved.
    """
    training = ContrastiveTraining(images, settings)
    if unfinished.exists():
        training.load_state(safetensors.torch.load(storage.read_folder(unfinished)[_STATE]))
        say(f"the contrastive encoder is resumed from step {training.step:,}")

    def save() -> None:
        state = {name: value.contiguous() for name, value in training.state().items()}
        storage.write_folder(unfinished, {_STATE: safetensors.torch.save(state)})

    try:
        while training.step < settings.steps:
            with signals.deferred():
                loss = training.train_step()
            if training.step % _SAVE_EVERY == 0:
                say(f"contrastive encoder: step {training.step:,}/{settings.steps:,}, loss {loss:.3f} nats")
                save()
    except Interrupted:
        signals.acknowledge()
        save()
        raise
    return training.finish()


def with_codes(config: Config, representation: Representation) -> Config:
    """Return `config` with a code for each anchor, followed by its own continuous codes, which stay free."""
    learned = learning.codes_of(representation.anchors, representation.candidates)
    prepare = recipes.find(config.training.recipe).code or (lambda code, _: code)
    free = {
        name: code
        for name, code in config.latents.codes.items()
        if isinstance(code, Continuous) and name not in learned
    }
    codes = {name: prepare(code, False) for name, code in learned.items()} | free
    return config.replace(latents={"codes": codes})


def load_representation(model: InfoGAN, known: Representation, source: str) -> None:
    """Initialise Q as a representation has it: its encoder and its head, where they were trained.

    Args:
        model: with its own encoder, if the representation has one.
        known: from the run directory.
        source: where it comes from, for error messages.
    """
    if known.encoder is not None:
        model.load_encoder(known.encoder, source)
    if known.recognition is not None:
        model.recognition.load_state_dict(dict(known.recognition))


def before_training(config: Config, run: RunDirectory) -> InfoGAN:
    """Return the model of a run before its first step: Q is fitted to real images, G is untrained."""
    model, known = InfoGAN(config), representation_files.load(run.representation)
    if known is not None:
        load_representation(model, known, str(run.representation))
    return model


def fit_recognition(
    model: InfoGAN,
    images: UInt8[np.ndarray, "n h w c"],
    anchors: Anchors,
    steps: int,
    *,
    seed: int | None = None,
) -> None:
    """Fit Q, with its own encoder, to anchors of real images, in place.

    AdamW with a one-cycle schedule (Smith & Topin 2019); images are augmented by the run's policy for
    continuous codes.

    Args:
        model: on the CPU, with its own encoder.
        images: uint8, all training images.
        anchors: the targets.
        steps: number of optimizer steps.
        seed: of the batches; None: that of the model's configuration.
    """
    assert model.encoder is not None
    seed = model.config.training.seed if seed is None else seed
    networks = nn.ModuleList([model.encoder, model.recognition])
    optimizer = torch.optim.AdamW(networks.parameters(), FIT_RATE, weight_decay=_FIT_DECAY, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, FIT_RATE, max(steps, 10))
    policy, size = model.config.augmentation.for_codes(0), min(FIT_BATCH, len(images))
    order = streams.BatchOrder(seed, size, len(images))
    low_precision = model.config.training.precision == "bfloat16"
    networks.train()
    for step in range(steps):
        with signals.deferred():
            rows = order.indices(step)
            batch = edge.to_float(torch.from_numpy(images[rows.numpy()]), model.table.output)
            batch = augment(batch, policy, streams.generator(seed, "anchoring/augment", step))
            with torch.autocast("cpu", torch.bfloat16, enabled=low_precision):
                raw = model.predict(batch, "real")
            loss = regularizers.anchor_loss(model.latents.posteriors(raw.float()), anchors.of(rows))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()
