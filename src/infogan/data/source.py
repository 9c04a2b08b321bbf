"""Data sources: their declaration and their registry.

To add a source, decorate a function in this package or in a plug-in:

    @source("stripes", held_out=2)
    def stripes(config: DataConfig) -> Found:
        \"\"\"Ten images of gray stripes.\"\"\"
        return Found(Split(images, labels))            # uint8 [N, H, W, C], int64 [N]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from infogan.config import DataConfig
from infogan.data import splits
from infogan.data.dataset import Found
from infogan.errors import ConfigError
from infogan.registry import Registry

Read = Callable[[DataConfig], Found]


@dataclass(frozen=True)
class About:
    """A description of the images of a source, printed by `infogan data list`.

    Attributes:
        images: number of images for training and for testing.
        form: size, channels and value range of the files.
        licence: the licence of the images.
        origin: the authors, and where to get the images.
        sha256: SHA-256 of the published files, or another way to verify them.
        people: True if they show real people, None if they may.
    """

    images: str = "not stated"
    form: str = "not stated"
    licence: str = "not stated"
    origin: str = "not stated"
    sha256: str = "that of the prepared images, in their MANIFEST.json"
    people: bool | None = False


@dataclass(eq=False)
class Source:
    """A data source. An instance is the decorator of the function that reads the images, and registers it.

    The function takes a `DataConfig` and returns a `Found`. The first line of its docstring is the summary.

    Attributes:
        name: the value of `data.source` in a configuration.
        about: a description for `infogan data list`.
        held_out: default size of the test split, as a number (int) or a share (float) of the images. None if
            the function returns test images itself.
        takes_path: if False, setting `data.path` is an error, because the function does not use it.
        default_path: returns the file or folder to read if `data.path` is not set. None if the images are
            inside a package or are rendered.
        sidecars: names of other files that the function reads from the same folder, such as lists of
            attributes.
        accepts: other sources that the function may call; their preprocessed images are accepted, too.
        crop: default side of the central square that images are cropped to, in pixels; None: the largest
            square.
        renders: True if the images are rendered; `data.count` is their number.
        handwriting: True if the images are white strokes on black, whose slant, width and thickness are
            measured.
        split_version: how test images are chosen, as in `infogan.data.splits`. Never change that of a source
            with published results.
        version: version number of the function. Increase it when the function returns different images, so
            that cached images are prepared again.
        read: the decorated function.
    """

    name: str
    _: KW_ONLY
    about: About = field(default_factory=About)
    held_out: int | float | None = 0.1
    takes_path: bool = True
    default_path: Callable[[], Path] | None = None
    sidecars: Sequence[str] = ()
    accepts: Sequence[str] = ()
    crop: int | None = None
    renders: bool = False
    handwriting: bool = False
    split_version: int = splits.BY_NUMBER
    version: int = 1
    read: Read = field(init=False)

    def __call__(self, read: Read) -> Read:
        """Register the function as this source, and return it unchanged.

        Raises:
            ValueError: a source with this name exists already.
        """
        self.read = read
        SOURCES.add(self.name, self, read)
        return read

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.read.__doc__ or self.name).strip().partition("\n")[0]


source = Source

SOURCES: Registry[Source] = Registry("data source", "infogan.data.sources", advice="infogan data list")
"""All data sources, by the value of `data.source`."""


def path_of(config: DataConfig, *, expected: str = "a file or folder") -> Path:
    """Return `data.path` with ~ expanded, or else the default path of the configured source.

    Raises:
        ConfigError: there is neither; the message states what was `expected`.
    """
    if config.path is not None:
        return Path(config.path).expanduser()
    default_path = SOURCES[config.source].default_path
    if default_path is None:
        raise ConfigError(
            f"data.path is not set: the source {config.source!r} has no images of its own",
            expected,
            "data=PATH; infogan data list says where to get the images",
            command="--data PATH; infogan data list says where to get the images",
        )
    return default_path()


def unsupported(config: DataConfig, key: str, reason: str) -> ConfigError:
    """Return the error for a setting that does not apply to a source."""
    return ConfigError(
        f"data.{key} = {getattr(config, key)!r}: {reason}",
        f"no {key}",
        "data.source = 'folder', to read your own images" if key == "path" else f"remove data.{key}",
    )
