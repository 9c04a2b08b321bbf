"""The commands as functions: `infogan train` on the command line is `infogan.train` in Python."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from infogan import config as configuration
from infogan import data, recipes
from infogan.config import Code, Config, DataConfig
from infogan.data import SOURCES, SUFFIXES, Dataset
from infogan.errors import ConfigError, DataError, UsageError, did_you_mean
from infogan.presets import PRESETS, Preset

if TYPE_CHECKING:
    from torch import Tensor

    from infogan.evaluation.subject import Progress
    from infogan.model import InfoGAN
    from infogan.networks import Build
    from infogan.training.runner import Trained
    from infogan.training.terms import Term

    Images: TypeAlias = np.ndarray | Tensor | Sequence[np.ndarray]
    Labels: TypeAlias = np.ndarray | Tensor | Sequence[int]

log = logging.getLogger(__name__)


def configure(  # noqa: PLR0913 - everything that decides a configuration, by name
    source: str | Path | Config,
    *,
    data: str | Path | None = None,
    recipe: str | None = None,
    codes: str | Mapping[str, Code] | None = None,
    model: str | Build | None = None,
    terms: Sequence[str | Term] = (),
    plugins: Sequence[str | Path] = (),
    settings: Mapping[str, Any] | None = None,
) -> Config:
    """Return the whole configuration of a training.

    Args:
        source: a preset's name, a TOML file, a folder, archive or .npy or .npz file of images, or a `Config`.
        data: the file or folder of the images, if `source` does not say.
        recipe: how to train, such as "robust" or "paper". When left out, the preset's own; a TOML file and a
            `Config` keep theirs.
        codes: codes by name, or text such as "digit:10 rotation:u width:u".
        model: networks instead of the tables of appendix C: a registered name, or a function as
            `infogan.network` takes it.
        terms: loss terms beyond those of the recipe, made by `infogan.term`, or their names.
        plugins: files or installed plug-ins to import first. The loss terms that they register are used.
        settings: values by key, such as `{"training.steps": 100}`. They are applied last.

    Raises:
        UsageError: the source is none of these; or no recipe has that name.
        ConfigError: a setting does not fit.
        DataError: the source looks like a path, but nothing is there.
    """
    loaded = load_plugins(plugins)
    config, preset = _from_source(source)
    if data is not None:
        config = config.replace(data={"path": _absolute(data)})
    if codes is not None:
        named = configuration.parse_codes(codes) if isinstance(codes, str) else dict(codes)
        config = config.replace(latents={"codes": named})
    if preset is not None:
        config = preset.apply(config, recipe or preset.recipe, own_codes=codes is None)
    elif recipe is not None:
        config = recipes.apply(config, recipe)
    config = _with_extensions(config, model, terms, loaded)
    chosen = config.training.recipe
    config = configuration.override(config, settings or {})
    recipes.find(config.training.recipe)
    if config.training.recipe != chosen:
        raise ConfigError(
            f"training.recipe = {config.training.recipe!r}: as a setting it changes the recipe's name alone",
            f"the recipe of the other settings, {chosen!r}",
            f"recipe={config.training.recipe!r}",
            command=f"--recipe {config.training.recipe}",
        )
    return config


def load_plugins(plugins: Sequence[str | Path]) -> set[str]:
    """Import plug-ins and return their names.

    Raises:
        UsageError: one does not exist, or cannot be imported.
    """
    from infogan.plugins import load_plugin

    return set(map(load_plugin, plugins))


def _with_extensions(
    config: Config, model: str | Build | None, terms: Sequence[str | Term], plugins: Collection[str]
) -> Config:
    """Return `config` with a network, loss terms, and the loss terms of plug-ins at their default weights."""
    if model is not None:
        config = config.replace(network={"architecture": _network_name(model)})
    if not terms and not plugins:
        return config  # without an import of torch
    from infogan.training.terms import TERMS

    names = [name for name, origin in TERMS.origins.items() if origin.plugin in plugins]
    names += [term if isinstance(term, str) else term.name for term in terms]
    weights = {name: TERMS.find(name).weight for name in names} | config.objective.terms
    return config.replace(objective={"terms": weights})


def _network_name(model: str | Build) -> str:
    """Return the name of a network; a function that is not registered yet is registered by its own name."""
    from infogan.networks import NETWORKS, network

    if isinstance(model, str):
        return model
    known = next((name for name, build in NETWORKS.items() if build is model), None)
    if known is None:
        network(model.__name__)(model)
    return known or model.__name__


def _from_source(source: str | Path | Config) -> tuple[Config, Preset | None]:
    """Return the source's configuration and, for a preset, the preset, whose recipe is not applied yet."""
    if isinstance(source, Config):
        return source, None
    if not str(source):
        raise UsageError("the source is empty", "a preset, or a path", "infogan presets, to see all presets")
    path = Path(source).expanduser()
    if isinstance(source, str) and source in PRESETS:
        return PRESETS[source].load(), PRESETS[source]
    if path.suffix == ".toml":
        return configuration.read(path), None
    if path.is_dir() or (path.name.lower().endswith(SUFFIXES) and path.is_file()):
        return PRESETS["folder"].load().replace(data={"path": _absolute(path)}), PRESETS["folder"]
    if path.exists():
        raise DataError(
            f"{path} is neither a folder of images, nor one of {', '.join(SUFFIXES)}, nor a .toml file",
            "a folder or archive of images, an array file [N, H, W, C], or a configuration",
            "infogan train FOLDER",
        )
    if os.sep in str(source) or path.suffix:
        raise DataError(
            f"{path} does not exist",
            "a folder or archive of images, an .npy or .npz file, a .toml file, or a preset",
            "infogan train mnist-5k, or infogan presets for all presets",
        )
    raise UsageError(
        f"{str(source)!r} is neither a preset nor a path{did_you_mean(str(source), PRESETS)}",
        f"one of {', '.join(PRESETS)}; a folder, archive or array of images; a .toml file",
        "infogan presets, to see what each one does",
    )


def data_config(
    source: str | Path, *, data: str | Path | None = None, settings: Mapping[str, Any] | None = None
) -> DataConfig:
    """Return which images to use, and how to preprocess them.

    Args:
        source: a data source's name, or as in `configure`.
        data: the file or folder of the images, if `source` does not say.
        settings: as in `configure`.

    Raises:
        InfoGANError: as in `configure`.
    """
    if source in SOURCES and source not in PRESETS:  # a preset would set the size of its images
        config = PRESETS["folder"].load().replace(data={"source": source})
    else:
        config, _ = _from_source(source)
    if data is not None:
        config = config.replace(data={"path": _absolute(data)})
    return configuration.override(config, settings or {}).data


def _absolute(path: str | Path) -> str:
    """Return an absolute path, which stays valid when the run is opened from another folder."""
    if not str(path):  # Path("") would be the current folder
        raise UsageError("a path is empty", "a file or folder", "the path of the images, or none")
    return str(Path(path).expanduser().resolve())


def train(  # noqa: PLR0913 - everything that a training can be given, by name
    source: str | Path | Config | Images,
    *,
    dataset: Dataset | None = None,
    labels: Labels | None = None,
    data: str | Path | None = None,
    out: str | Path | None = None,
    recipe: str | None = None,
    codes: str | Mapping[str, Code] | None = None,
    steps: int | None = None,
    seed: int | None = None,
    seeds: int = 1,
    size: int | None = None,
    device: str | None = None,
    precision: Literal["auto", "float32", "bfloat16"] | None = None,
    model: str | Build | None = None,
    terms: Sequence[str | Term] = (),
    plugins: Sequence[str | Path] = (),
    settings: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> InfoGAN:
    """Train a model and return it; the run directory keeps everything.

    Args:
        source: as in `configure`; or the images themselves, uint8 [N, H, W] or [N, H, W, C], as an array, a
            torch tensor (also [N, C, H, W]) or a list.
        dataset: the images, instead of those that `source` names.
        labels: of images given as an array, [N]; they are used for evaluation only.
        data: as in `configure`.
        out: the run directory; the next free of runs/PRESET-001 and so on when left out.
        recipe: as in `configure`.
        codes: as in `configure`.
        steps: number of training steps, each with one update of D.
        seed: random seed.
        seeds: number of seeds to train, from `seed` on. Weak seeds are pruned early by a label-free score,
            and the best is returned.
        size: height and width of the images in pixels, 8 to 256.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: of the layers; "auto" uses bfloat16 if the hardware supports it natively.
        model: networks instead of the tables of appendix C: a registered name or a function as
            `infogan.network` takes it.
        terms: loss terms beyond those of the recipe, made by `infogan.term`, or their names.
        plugins: files or installed plug-ins to import first. The loss terms that they register are used.
        settings: as in `configure`.
        progress: show progress on stderr.

    Raises:
        InfoGANError: one of its subclasses, with what to do next.
    """
    given = {
        "training.steps": steps,
        "training.seed": seed,
        "training.device": device,
        "training.precision": precision,
        "data.size": size,
    }
    settings = {key: value for key, value in given.items() if value is not None} | dict(settings or {})
    images = None if isinstance(source, str | Path | Config) else source
    named = source if isinstance(source, str | Path | Config) else "folder"
    config = configure(
        named,
        data=data,
        recipe=recipe,
        codes=codes,
        model=model,
        terms=terms,
        plugins=plugins,
        settings=settings,
    )
    if images is None and labels is not None:
        raise UsageError(
            "labels are given without an array of images",
            "labels of images in memory",
            "train(images, labels=labels)",
        )
    if images is not None:
        dataset = memory_dataset(images, config, labels)
    return train_config(config, out=out, dataset=dataset, seeds=seeds, quiet=not progress).model


def memory_dataset(images: Images, config: Config, labels: Labels | None = None) -> Dataset:
    """Return images in memory as a data set, preprocessed and split like those of a folder."""
    return data.from_array(data.as_images(images), config.data, data.as_labels(labels))


def train_config(
    config: Config,
    *,
    out: str | Path | None = None,
    dataset: Dataset | None = None,
    seeds: int = 1,
    quiet: bool = False,
) -> Trained:
    """Train as `train` does, by a whole configuration; return the model with its run and data."""
    from infogan.runs.directory import RunDirectory, next_free
    from infogan.training import runner, seed_selection

    seed_selection.check(config, seeds)
    dataset = data.load(config.data) if dataset is None else dataset
    config = runner.resolve(config, dataset)
    path = next_free(Path("runs"), config.preset) if out is None else Path(out)
    run = RunDirectory.create(path, seeds=seeds > 1)
    if seeds > 1:
        return seed_selection.train(config, dataset, run, seeds, quiet=quiet)
    return runner.train(config, dataset, run, quiet=quiet)


def resume(  # noqa: PLR0913 - everything that may differ, by name
    run: str | Path,
    *,
    steps: int | None = None,
    dataset: Dataset | None = None,
    plugins: Sequence[str | Path] = (),
    settings: Mapping[str, Any] | None = None,
    override: bool = False,
    progress: bool = True,
) -> InfoGAN:
    """Resume a run from its newest intact checkpoint. The result is that of a run without interruption.

    Args:
        run: the run directory.
        steps: the step at which training ends, if it differs from the configuration's.
        dataset: the images, for a run that was trained on images in memory.
        plugins: the plug-ins that the run uses, as in `train`.
        settings: values by key, such as `{"training.save_every": 100}`.
        override: allow settings, images and plug-ins that change the result.
        progress: show progress on stderr.

    Raises:
        InfoGANError: one of its subclasses, with what to do next.
    """
    given = {} if steps is None else {"training.steps": steps}
    settings = given | dict(settings or {})
    return resume_run(
        run, dataset=dataset, plugins=plugins, settings=settings, override=override, quiet=not progress
    ).model


def resume_run(  # noqa: PLR0913 - as in `resume`
    run: str | Path,
    *,
    dataset: Dataset | None = None,
    plugins: Sequence[str | Path] = (),
    settings: Mapping[str, Any] | None = None,
    override: bool = False,
    quiet: bool = False,
) -> Trained:
    """Resume as `resume` does; return the model with its run and data."""
    from infogan.runs.directory import RunDirectory, has_seeds
    from infogan.training import runner, seed_selection

    load_plugins(plugins)
    directory = RunDirectory.open(Path(run))
    resumed = seed_selection.resume if has_seeds(directory.path) else runner.resume
    return resumed(
        directory,
        lambda config: data.load(config.data) if dataset is None else dataset,
        settings=settings or {},
        allow_changes=override,
        quiet=quiet,
    )


def load(run: str | Path, *, plugins: Sequence[str | Path] = ()) -> InfoGAN:
    """Load the model of a run, or of a folder that `InfoGAN.save_pretrained` wrote.

    Args:
        run: the run directory or model folder.
        plugins: the plug-ins that its networks come from.

    Raises:
        InfoGANError: as in `InfoGAN.from_pretrained`.
    """
    from infogan.model import InfoGAN
    from infogan.runs.directory import RunDirectory

    load_plugins(plugins)
    model = InfoGAN.from_pretrained(run)
    environment = RunDirectory(run).environment_path
    if "data" not in model.provenance and environment.is_file():  # a run of an earlier release
        model.provenance["data"] = RunDirectory(run).read_environment().get("data")
    return model


def select(
    runs: Sequence[str | Path],
    *,
    data_path: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Choose among several runs without labels, and match codes of the same factor.

    Args:
        runs: two or more run directories, or models that `InfoGAN.from_pretrained` reads.
        data_path: the current file or folder of the first run's images, which are used for all runs.
        seed: random seed.
        progress: called with a message when a part begins.

    Returns:
        The result of `infogan.evaluation.model_selection.choose`.

    Raises:
        InfoGANError: as in `InfoGAN.from_pretrained` and `choose`.
    """
    from infogan.evaluation import model_selection
    from infogan.evaluation.subject import silent

    models = {str(run): load(run) for run in runs}
    if len(models) < len(runs):
        raise UsageError("one run is named twice", "each run once", "infogan select RUN OTHER")
    log = progress or silent
    names = dict.fromkeys(model.config.data.path or model.config.data.source for model in models.values())
    if len(names) > 1:
        log(f"note: the runs were trained on {' and on '.join(names)}; all encode the images of the first")
    first = next(iter(models.values()))
    images = model_selection.images_to_read(training_images(first, data_path))
    return model_selection.choose(models, images, seed=seed, progress=log)


def report(run: str | Path, *, data_path: str | Path | None = None, progress: Progress | None = None) -> Path:
    """Write RUN/report.html: traversals and verdicts of all codes, metrics, and the commands to repeat them.

    Args:
        run: a run directory, or RUN/seeds/seed-N.
        data_path: the current file or folder of the images.
        progress: called with a message when a part begins.

    Returns:
        The path of the report, one self-contained HTML file.

    Raises:
        InfoGANError: as in `InfoGAN.from_pretrained` and `evaluate`; or the report cannot be written.
    """
    from infogan.reporting import page
    from infogan.runs.directory import RunDirectory

    directory = RunDirectory.open(Path(run))
    model = load(directory.path)
    dataset = training_images(model, data_path)
    return page.write(directory, model, dataset, progress, place=data_path)


def evaluate(  # noqa: PLR0913 - everything that an evaluation can be given, by name
    model: InfoGAN,
    dataset: str | Path | Config | Dataset | Images | None = None,
    *,
    labels: Labels | None = None,
    data_path: str | Path | None = None,
    weights: str | None = None,
    samples: int = 10_000,
    seed: int = 0,
    only: Collection[str] = (),
    full: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compute the metrics of a model; return the content of evaluation.json.

    Args:
        model: a trained model.
        dataset: a preset's name, a path or a `Config` that names the images; a data set; or the images
            themselves, as in `train`. The training data set when left out.
        labels: of images given as an array, [N]. A tenth of such images is the test split that is measured.
        data_path: the current file or folder of the images.
        weights: "raw" or "ema"; the model's default when left out.
        samples: number of generated images per metric, 2 or more.
        seed: random seed of the evaluation.
        only: names of the metrics to compute; all when left out.
        full: use the long variants of metrics that have one, as published: minutes instead of seconds.
        progress: called with a message when a metric begins.

    Raises:
        InfoGANError: one of its subclasses, with what to do next.
    """
    from infogan import evaluation
    from infogan.evaluation.subject import silent

    if dataset is None:
        measured = training_images(model, data_path)
    elif isinstance(dataset, str | Path | Config):
        measured = _images_now(configure(dataset), data_path)
    elif isinstance(dataset, data.Dataset):
        measured = dataset
    else:
        measured = memory_dataset(dataset, model.config, labels)
    return evaluation.evaluate(
        model,
        measured,
        weights=weights,
        samples=samples,
        seed=seed,
        only=only,
        full=full,
        progress=progress or silent,
    )


def training_images(model: InfoGAN, data_path: str | Path | None = None) -> Dataset:
    """Return the images that a model was trained on, split as they were in training.

    If they have changed since, a warning says so. Where the split is by content (`infogan.data.splits`),
    images that were added or removed leave the others on their side, so no image of training becomes a test
    image.

    Args:
        model: from `load`, which knows what it was trained on.
        data_path: the current file or folder of the images.

    Raises:
        DataError: they are images of a folder, archive or array that have changed, and were split by their
            number: test images may then be images of training.
        InfoGANError: as in `infogan.data.load`.
    """
    dataset = _images_now(model.config, data_path)
    trained = model.provenance.get("data")
    if trained is None or trained == dataset.fingerprint:
        return dataset
    path = data_path or model.config.data.path or dataset.name
    happened = f"{path}: the images are not exactly those of training"
    if dataset.split_version < SOURCES.find(model.config.data.source).split_version:
        raise DataError(
            f"{happened} (sha256 {dataset.fingerprint[:12]}, before {trained[:12]}), and they were split by "
            "their number: test images may be images of training",
            "the same images",
            "the path of the same images as data_path; or train(...) for a new run",
            command="--data with the path of the same images; or infogan train, for a new run",
        )
    log.warning("note: %s%s", happened, _what_changed(model.provenance.get("data_sample"), dataset))
    return dataset


def _what_changed(sample: Sequence[float] | None, dataset: Dataset) -> str:
    """Return if test images may be images of training, given the keys of some images of training."""
    if not sample or dataset.split_at is None or dataset.split != "test":
        return f"; {dataset.split} images may be images of training"
    present = int(np.isin(sample, data.splits.content_keys(dataset.train.images)).sum())
    if present == 0:
        return (
            f": none of {len(sample)} images of training that were looked for is there. If they were only "
            "saved in another form, test images may be images of training"
        )
    return (
        f": {present} of {len(sample)} images of training that were looked for are there. The split is by "
        f"content: none of these is one of the {len(dataset.test.images):,} test images"
    )


def _images_now(config: Config, data_path: str | Path | None) -> data.Dataset:
    """Return the images of a configuration, from their current path."""
    if data_path is not None:
        config = config.replace(data={"path": _absolute(data_path)})
    return data.load(config.data)
