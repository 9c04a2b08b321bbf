"""The configuration of a run, from what users give: a preset, a path or a file, and changes by name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infogan import config as configuration
from infogan import recipes
from infogan.config import Code, Config, DataConfig
from infogan.data import SOURCES
from infogan.data.sources.folder import check_path
from infogan.errors import ConfigError, DataError, UsageError, did_you_mean
from infogan.presets import PRESETS, Preset

if TYPE_CHECKING:
    from infogan.networks import Build
    from infogan.training.terms import Term


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
    """Return the complete configuration of a run.

    Args:
        source: a preset's name, a TOML file, a folder, archive or .npy or .npz file of images, or a `Config`.
        data: the file or folder with the images, if `source` does not name it.
        recipe: name of the recipe, such as "robust" or "paper". By default that of the preset, the TOML file
            or the `Config`.
        codes: codes by name, or text such as "digit:10 rotation:u width:u".
        model: networks instead of the tables of appendix C: a registered name, or a function as
            `infogan.network` takes it.
        terms: loss terms beyond those of the recipe, made by `infogan.term`, or their names.
        plugins: files or installed plug-ins to import first. The loss terms that they register are used.
        settings: values by key, such as `{"training.steps": 100}`. They are applied last.

    Raises:
        UsageError: the source is none of these; or no recipe has that name.
        ConfigError: a setting does not fit.
        DataError: the source looks like a path, but does not exist.
    """
    loaded = load_plugins(plugins)
    config, preset = _from_source(source)
    if data is not None:
        config = config.replace(data={"path": absolute(data)})
    if codes is not None:
        named = configuration.parse_codes(codes) if isinstance(codes, str) else dict(codes)
        config = config.replace(latents={"codes": named})
    if preset is not None:
        config = preset.apply(config, recipe or preset.recipe, own_codes=codes is None)
    elif recipe is not None:
        config = recipes.find(recipe).apply(config)
    config = _with_extensions(config, model, terms, loaded)
    chosen = config.training.recipe
    config = configuration.override(config, settings or {})
    recipes.find(config.training.recipe)
    if config.training.recipe != chosen:
        raise ConfigError(
            f"training.recipe = {config.training.recipe!r}: this setting changes only the name of the recipe",
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
    """Return the name of a network. A function that is not registered is registered under its own name."""
    from infogan.networks import NETWORKS, network

    if isinstance(model, str):
        return model
    known = next((name for name, build in NETWORKS.items() if build is model), None)
    if known is None:
        network(model.__name__)(model)
    return known or model.__name__


def _from_source(source: str | Path | Config) -> tuple[Config, Preset | None]:
    """Return the configuration of a source; for a preset also the preset, whose recipe is not applied yet."""
    if isinstance(source, Config):
        return source, None
    if not str(source):
        raise UsageError("the source is empty", "a preset, or a path", "infogan presets, to see all presets")
    path = Path(source).expanduser()
    if isinstance(source, str) and source in PRESETS:
        return PRESETS[source].load(), PRESETS[source]
    if path.suffix == ".toml":
        return configuration.read(path), None
    if path.exists():
        check_path(path)
        return PRESETS["folder"].load().replace(data={"path": absolute(path)}), PRESETS["folder"]
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
        data: the file or folder with the images, if `source` does not name it.
        settings: as in `configure`.

    Raises:
        InfoGANError: as in `configure`.
    """
    if source in SOURCES and source not in PRESETS:  # a preset would set the size of its images
        config = PRESETS["folder"].load().replace(data={"source": source})
    else:
        config, _ = _from_source(source)
    if data is not None:
        config = config.replace(data={"path": absolute(data)})
    return configuration.override(config, settings or {}).data


def absolute(path: str | Path) -> str:
    """Return an absolute path, which stays valid when the run is opened from another folder.

    Raises:
        UsageError: it is empty, or cannot be written into a configuration.
    """
    if not str(path):  # Path("") would be the current folder
        raise UsageError("a path is empty", "a file or folder", "the path of the images, or none")
    expanded = Path(path).expanduser()
    for absolute in (str(expanded.resolve()), os.path.abspath(expanded)):  # or that of a link to it
        with suppress(UnicodeEncodeError):
            absolute.encode()
            return absolute
    raise UsageError(
        f"{absolute!r} is not valid UTF-8, the encoding of configurations",
        "a path whose folders and name are UTF-8; the names of the images in it may have any bytes",
        "another name for the folder (mv), or a link to it in another place (ln -s)",
    )
