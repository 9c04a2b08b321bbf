"""The commands as functions: `infogan train` on the command line is `infogan.train` in Python."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from infogan import config as configuration
from infogan import data, recipes
from infogan.config import Config, DataConfig
from infogan.data import SOURCES, SUFFIXES
from infogan.errors import ConfigError, DataError, UsageError, did_you_mean
from infogan.presets import PRESETS, Preset

if TYPE_CHECKING:
    from infogan.evaluation.subject import Progress
    from infogan.model import InfoGAN
    from infogan.training.runner import Trained


def configure(
    source: str | Path | Config,
    *,
    data: str | Path | None = None,
    recipe: str | None = None,
    codes: str | Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Config:
    """Return the whole configuration of a training.

    Args:
        source: a preset's name, a TOML file, a folder, archive or .npy or .npz file of images, or a `Config`.
        data: the file or folder of the images, if `source` does not say.
        recipe: how to train, such as "robust" or "paper". When left out, the preset's own; a TOML file and a
            `Config` keep theirs.
        codes: "digit:10 rotation:u width:u", or codes by name.
        settings: values by key, such as `{"training.steps": 100}`. They are applied last.

    Raises:
        UsageError: the source is none of these; or no recipe has that name.
        ConfigError: a setting does not fit.
        DataError: the source looks like a path, but nothing is there.
    """
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
    chosen = config.training.recipe
    config = configuration.override(config, settings or {})
    recipes.RECIPES.find(config.training.recipe)
    if config.training.recipe != chosen:
        raise ConfigError(
            f"training.recipe = {config.training.recipe!r}: as a setting it changes the recipe's name alone",
            f"the recipe of the other settings, {chosen!r}",
            f"recipe={config.training.recipe!r}",
            command=f"--recipe {config.training.recipe}",
        )
    return config


def _from_source(source: str | Path | Config) -> tuple[Config, Preset | None]:
    """Return the source's configuration, and the preset whose recipe is not applied to it yet."""
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
            f"{path} is no folder of images, none of {', '.join(SUFFIXES)} and no .toml file",
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
        f"{str(source)!r} is no preset and no path{did_you_mean(str(source), PRESETS)}",
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
        InfoGANError: as of `configure`.
    """
    if source in SOURCES and source not in PRESETS:  # a preset's images have the size that it trains on
        config = PRESETS["folder"].load().replace(data={"source": source})
    else:
        config, _ = _from_source(source)
    if data is not None:
        config = config.replace(data={"path": _absolute(data)})
    return configuration.override(config, settings or {}).data


def _absolute(path: str | Path) -> str:
    """Return a path that stays right when the run is opened from another folder."""
    if not str(path):  # Path("") would be the current folder
        raise UsageError("a path is empty", "a file or folder", "the path of the images, or none")
    return str(Path(path).expanduser().resolve())


def train(  # noqa: PLR0913 - what the command takes
    source: str | Path | Config | np.ndarray,
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    recipe: str | None = None,
    codes: str | Mapping[str, Any] | None = None,
    steps: int | None = None,
    seed: int | None = None,
    seeds: int = 1,
    settings: Mapping[str, Any] | None = None,
) -> InfoGAN:
    """Train a model and return it; the run directory keeps everything.

    Args:
        source: as in `configure`; or the images themselves, uint8 [N, H, W, C].
        data: as in `configure`.
        out: the run directory; the next free of runs/PRESET-001 and so on when left out.
        recipe: as in `configure`.
        codes: as in `configure`.
        steps: number of training steps, each with one update of D.
        seed: random seed.
        seeds: number of seeds to train, from `seed` on. Weak seeds are pruned early by a label-free score,
            and the best is returned.
        settings: as in `configure`.

    Raises:
        InfoGANError: one of its subclasses, with what to do next.
    """
    shorthands = {"training.steps": steps, "training.seed": seed}
    given = {key: value for key, value in shorthands.items() if value is not None}
    images = source if isinstance(source, np.ndarray) else None
    config = configure(
        "folder" if isinstance(source, np.ndarray) else source,
        data=data,
        recipe=recipe,
        codes=codes,
        settings={**given, **(settings or {})},
    )
    return train_config(config, out=out, images=images, seeds=seeds).model


def train_config(
    config: Config,
    *,
    out: str | Path | None = None,
    images: np.ndarray | None = None,
    seeds: int = 1,
) -> Trained:
    """Train as `train` does, by a whole configuration; return the model with its run and data."""
    from infogan.runs.directory import RunDirectory, next_free
    from infogan.training import runner, seed_selection

    seed_selection.check(config, seeds)
    dataset = data.load(config.data) if images is None else data.from_array(images, config.data)
    config = runner.resolve(config, dataset)
    path = next_free(Path("runs"), config.preset) if out is None else Path(out)
    run = RunDirectory.create(path, seeds=seeds > 1)
    if seeds > 1:
        return seed_selection.train(config, dataset, run, seeds)
    return runner.train(config, dataset, run)


def resume(run: str | Path, *, settings: Mapping[str, Any] | None = None, override: bool = False) -> InfoGAN:
    """Resume a run from its newest intact checkpoint, exactly as if it had never stopped.

    Args:
        run: the run directory.
        settings: values by key, such as `{"steps": 10_000}`.
        override: allow settings that change the result.
    """
    return resume_run(run, settings=settings, override=override).model


def resume_run(
    run: str | Path, *, settings: Mapping[str, Any] | None = None, override: bool = False
) -> Trained:
    """Resume as `resume` does; return the model with its run and data."""
    from infogan.runs.directory import RunDirectory, has_seeds
    from infogan.training import runner, seed_selection

    directory = RunDirectory.open(Path(run))
    resumed = seed_selection.resume if has_seeds(directory.path) else runner.resume
    return resumed(
        directory,
        lambda config: data.load(config.data),
        settings=settings or {},
        allow_changes=override,
    )


def select(
    runs: Sequence[str | Path],
    *,
    data_path: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Choose among several runs without labels, and match the codes that are the same factor.

    Args:
        runs: two or more run directories, or models that `InfoGAN.from_pretrained` reads.
        data_path: the current file or folder of the first run's images, which are used for all runs.
        seed: random seed.
        progress: called with a message when a part begins.

    Returns:
        The result of `infogan.evaluation.model_selection.choose`.

    Raises:
        InfoGANError: as of `InfoGAN.from_pretrained` and `choose`.
    """
    from infogan.evaluation import model_selection
    from infogan.evaluation.subject import silent
    from infogan.model import InfoGAN

    models = {str(run): InfoGAN.from_pretrained(run) for run in runs}
    if len(models) < len(runs):
        raise UsageError("one run is named twice", "each run once", "infogan select RUN OTHER")
    log = progress or silent
    names = dict.fromkeys(model.config.data.path or model.config.data.source for model in models.values())
    if len(names) > 1:
        log(f"note: the runs were trained on {' and on '.join(names)}; all encode the images of the first")
    first = next(iter(models.values())).config
    images = model_selection.images_to_read(_images_now(first, data_path))
    return model_selection.choose(models, images, seed=seed, progress=log)


def report(run: str | Path, *, data_path: str | Path | None = None, progress: Progress | None = None) -> Path:
    """Write RUN/report.html: what the codes do, what to trust, figures and how to repeat them.

    Args:
        run: a run directory, or RUN/seeds/seed-N.
        data_path: the current file or folder of the images.
        progress: called with a message when a part begins.

    Returns:
        The path of the report: one file for any browser, which loads nothing from elsewhere.

    Raises:
        InfoGANError: as of `InfoGAN.from_pretrained` and `evaluate`; or the report cannot be written.
    """
    from infogan.model import InfoGAN
    from infogan.report import page
    from infogan.runs.directory import RunDirectory

    directory = RunDirectory.open(Path(run))
    model = InfoGAN.from_pretrained(directory.path)
    dataset = _images_now(model.config, data_path)
    return page.write(directory, model, dataset, progress, place=data_path)


def evaluate(
    model: InfoGAN,
    dataset: str | Path | Config | np.ndarray | None = None,
    *,
    data_path: str | Path | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Measure what a model's codes carry; return the content of evaluation.json.

    Args:
        model: a trained model.
        dataset: a preset's name, a path or a `Config` whose data to measure on, or the images themselves,
            uint8 [N, H, W, C]; the training data set when left out.
        data_path: the current file or folder of the images.
        **options: of `infogan.evaluation.evaluate`.
    """
    from infogan import evaluation

    if isinstance(dataset, np.ndarray):
        return evaluation.evaluate(model, data.from_array(dataset, configure("folder").data), **options)
    config = model.config if dataset is None else configure(dataset)
    return evaluation.evaluate(model, _images_now(config, data_path), **options)


def _images_now(config: Config, data_path: str | Path | None) -> data.Dataset:
    """Return the images of a configuration, from their current path."""
    if data_path is not None:
        config = config.replace(data={"path": _absolute(data_path)})
    return data.load(config.data)
