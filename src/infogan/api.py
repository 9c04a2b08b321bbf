"""The commands as functions: what `infogan train` does, `infogan.train` does."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from infogan import config as configuration
from infogan import data, presets
from infogan.config import Config, DataConfig
from infogan.data import SOURCES, SUFFIXES
from infogan.errors import ConfigError, DataError, UsageError, did_you_mean

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
    settings: Sequence[str] = (),
) -> Config:
    """The whole configuration of a training.

    Args:
        source: a preset's name, a TOML file, a folder, archive or .npy or .npz file of images, or a `Config`.
        data: where the images lie, where they don't come with the source.
        recipe: how to train: "paper" is appendix C; "robust" when left out, unless the source is a file or
            a `Config` that says its own.
        codes: "digit:10 rotation:u width:u", or codes by name.
        settings: "KEY=VALUE" texts, as `--set` takes them; they have the last word.

    Raises:
        UsageError: the source is none of these.
        ConfigError: a setting does not fit.
        DataError: the source looks like a path, and nothing is there.
    """
    config, own_recipe = _from_source(source)
    if data is not None:
        config = _replace(config, "data", path=_absolute(data))
    if codes is not None:
        named = configuration.parse_codes(codes) if isinstance(codes, str) else dict(codes)
        config = configuration.validate(
            {**config.model_dump(), "latents": {**config.latents.model_dump(), "codes": named}}
        )
    if (chosen := recipe or own_recipe) is not None:
        if own_recipe is not None and codes is None and config.preset in presets.PRESETS:
            config = presets.with_own_codes(config, chosen)
        config = presets.apply_recipe(config, chosen)
        if own_recipe is not None:  # of a preset, before anybody has changed it
            config = configuration.override(config, presets.own_settings(config.preset, chosen))
    before = config.training.recipe
    config = configuration.override(config, settings)
    presets.check_recipe(config.training.recipe)
    if config.training.recipe != before:
        raise ConfigError(
            f"--set training.recipe={config.training.recipe}: that would change the recipe's name alone",
            f"the settings of the recipe, too, which are now those of {before}",
            f"--recipe {config.training.recipe}",
        )
    return config


def _from_source(source: str | Path | Config) -> tuple[Config, str | None]:
    """The source's configuration, and its recipe where that is not in it yet."""
    if isinstance(source, Config):
        return source, None
    if not str(source):
        raise UsageError("the source is empty", "a preset, or a path", "infogan presets, to see all presets")
    path = Path(source).expanduser()
    if isinstance(source, str) and source in presets.PRESETS:
        return presets.load(source), presets.own_recipe(source)
    if path.suffix == ".toml":
        return configuration.read(path), None
    if path.is_dir() or (path.name.lower().endswith(SUFFIXES) and path.is_file()):
        config = _replace(presets.load("folder"), "data", path=_absolute(path))
        return config, presets.own_recipe("folder")
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
        f"{str(source)!r} is no preset and no path{did_you_mean(str(source), presets.PRESETS)}",
        f"one of {', '.join(presets.PRESETS)}; a folder, archive or array of images; a .toml file",
        "infogan presets, to see what each one does",
    )


def data_config(
    source: str | Path, *, data: str | Path | None = None, settings: Sequence[str] = ()
) -> DataConfig:
    """Which images, and in which form.

    Args:
        source: a source's name, or as in `configure`.
        data: where the images lie, where they don't come with the source.
        settings: "KEY=VALUE" texts, as `--set` takes them.

    Raises:
        InfoGANError: as of `configure`.
    """
    if source in SOURCES and source not in presets.PRESETS:  # a preset's images are in the form it trains on
        config = _replace(presets.load("folder"), "data", source=source)
    else:
        config, _ = _from_source(source)
    if data is not None:
        config = _replace(config, "data", path=_absolute(data))
    return configuration.override(config, settings).data


def _absolute(path: str | Path) -> str:
    """A path that is still right when the run is opened from another folder."""
    if not str(path):  # Path("") would be the folder one happens to be in
        raise UsageError("a path is empty", "a file or folder", "--data FOLDER, or no --data")
    return str(Path(path).expanduser().resolve())


def _replace(config: Config, section: str, **values: Any) -> Config:
    changed = getattr(config, section).model_copy(update=values)
    return config.model_copy(update={section: changed})


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
    settings: Sequence[str] = (),
) -> InfoGAN:
    """Trains a model and gives it back; everything is kept in a run directory.

    Args:
        source: as in `configure`; or the images themselves, uint8 [N, H, W, C].
        data: where the images lie.
        out: the run directory; runs/PRESET-001 and so on when left out.
        recipe: as in `configure`.
        codes: as in `configure`.
        steps: one D and one G update each.
        seed: decides everything random.
        seeds: how many to train, from `seed` on; all but the best are dropped on the way, without labels.
        settings: "KEY=VALUE" texts, as `--set` takes them.

    Raises:
        InfoGANError: one of its children, with what to do next.
    """
    shorthand = [f"training.{k}={v}" for k, v in (("steps", steps), ("seed", seed)) if v is not None]
    images = source if isinstance(source, np.ndarray) else None
    config = configure(
        "folder" if isinstance(source, np.ndarray) else source,
        data=data, recipe=recipe, codes=codes, settings=[*shorthand, *settings],
    )  # fmt: skip
    return train_config(config, out=out, images=images, seeds=seeds).model


def train_config(
    config: Config,
    *,
    out: str | Path | None = None,
    images: np.ndarray | None = None,
    seeds: int = 1,
) -> Trained:
    """`train` with a whole configuration; gives the run and the data beside the model."""
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


def resume(run: str | Path, *, settings: Sequence[str] = (), override: bool = False) -> InfoGAN:
    """Goes on with a run from its newest whole checkpoint, exactly as if it had never stopped.

    Args:
        run: the run directory.
        settings: "KEY=VALUE" texts, for example "steps=10000".
        override: whether settings that change the result are allowed.
    """
    return resume_run(run, settings=settings, override=override).model


def resume_run(run: str | Path, *, settings: Sequence[str] = (), override: bool = False) -> Trained:
    """`resume`, with the run and the data beside the model."""
    from infogan.runs.directory import RunDirectory, has_seeds
    from infogan.training import runner, seed_selection

    directory = RunDirectory.open(Path(run))
    go_on = seed_selection.resume if has_seeds(directory.path) else runner.resume
    return go_on(
        directory,
        lambda config: data.load(config.data),
        settings=settings,
        allow_changes=override,
    )


def select(
    runs: Sequence[str | Path],
    *,
    data_path: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Which of several runs to trust, without labels, and which of their codes are one factor.

    Args:
        runs: run directories, or models as `InfoGAN.from_pretrained` reads them; two or more.
        data_path: where the images lie now; they are those of the first run.
        seed: of all chance in it.
        progress: is told what begins.

    Returns:
        What `infogan.evaluation.model_selection.choose` gives.

    Raises:
        InfoGANError: as of `InfoGAN.from_pretrained` and `choose`.
    """
    from infogan.evaluation import model_selection
    from infogan.evaluation.subject import silent
    from infogan.model import InfoGAN

    models = {str(run): InfoGAN.from_pretrained(run) for run in runs}
    if len(models) < len(runs):
        raise UsageError("one run is named twice", "each run once", "infogan select RUN OTHER")
    tell = progress or silent
    names = dict.fromkeys(model.config.data.path or model.config.data.source for model in models.values())
    if len(names) > 1:
        tell(f"note: the runs were trained on {' and on '.join(names)}; all read the images of the first")
    first = next(iter(models.values())).config
    images = model_selection.images_to_read(_images_now(first, data_path))
    return model_selection.choose(models, images, seed=seed, progress=tell)


def report(run: str | Path, *, data_path: str | Path | None = None, progress: Progress | None = None) -> Path:
    """Writes RUN/report.html: what the codes do, what to trust, figures and how to repeat them.

    Args:
        run: a run directory, or RUN/seeds/seed-N.
        data_path: where the images lie now.
        progress: is told what begins.

    Returns:
        The page: one file, to be opened in any browser; nothing in it is loaded from elsewhere.

    Raises:
        InfoGANError: as of `InfoGAN.from_pretrained` and `evaluate`; or the page cannot be written.
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
    """What a model's codes carry, as a plain dict: the same as evaluation.json.

    Args:
        model: a trained model.
        dataset: a preset's name, a path or a `Config` whose data to measure on, or the images themselves,
            uint8 [N, H, W, C]; the data that the model was trained on when left out.
        data_path: where the images lie now.
        **options: of `infogan.evaluation.evaluate`.
    """
    from infogan import evaluation

    if isinstance(dataset, np.ndarray):
        return evaluation.evaluate(model, data.from_array(dataset, configure("folder").data), **options)
    config = model.config if dataset is None else configure(dataset)
    return evaluation.evaluate(model, _images_now(config, data_path), **options)


def _images_now(config: Config, data_path: str | Path | None) -> data.Dataset:
    """The images of a configuration, from where they lie now."""
    if data_path is not None:
        config = _replace(config, "data", path=_absolute(data_path))
    return data.load(config.data)
