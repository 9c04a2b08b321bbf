"""Data sources: what a source declares, and the registry that it is entered into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infogan.config import DataConfig
from infogan.data.dataset import Found
from infogan.registry import Registry

Read = Callable[[DataConfig], Found]


@dataclass(frozen=True)
class About:
    """What a source states of its images, in words for people.

    Attributes:
        images: how many there are, for training and for testing.
        form: size, channels and range as they come.
        licence: under which they may be used.
        origin: who made them, and where they are to be had.
        sha256: of the file or files, where they are the same for everybody; else how else they are checked.
    """

    images: str
    form: str
    licence: str
    origin: str
    sha256: str = "none known"


@dataclass(frozen=True)
class Source:
    """An entry of the registry.

    Attributes:
        name: as in `data.source` of a configuration.
        summary: first line of the function's docstring.
        about: what it states of its images.
        read: finds the images.
        held_out: test images by default, a count (int) or a share (float); None: the source has its own.
        takes_path: whether `data.path` means something to it.
        place: where its images lie when no path is given; None: inside a package, or drawn.
        beside: names of files that belong to the images where they lie beside the path, in the same folder.
        accepts: other sources that it may hand over to, and whose prepared images it takes.
        crop: side of the central square that is used where nobody says; None: the largest.
        draws: whether it draws images, as many as `data.count` says.
        handwriting: whether its images are strokes, white on black.
        version: of what it makes of its files; another one makes what was prepared before anew.
    """

    name: str
    summary: str
    about: About
    read: Read
    held_out: int | float | None
    takes_path: bool
    place: Callable[[], Path] | None = None
    beside: Sequence[str] = ()
    accepts: Sequence[str] = ()
    crop: int | None = None
    draws: bool = False
    handwriting: bool = False
    version: int = 1


SOURCES: Registry[Source] = Registry("data source", "infogan.data.sources", advice="infogan data list")
"""Every source by the name that `data.source` may have."""


def source(  # noqa: PLR0913 - one declaration a source
    name: str,
    *,
    about: About,
    held_out: int | float | None = 0.1,
    takes_path: bool = True,
    place: Callable[[], Path] | None = None,
    beside: Sequence[str] = (),
    accepts: Sequence[str] = (),
    crop: int | None = None,
    draws: bool = False,
    handwriting: bool = False,
    version: int = 1,
) -> Callable[[Read], Read]:
    """Registers a function from a configuration to images as the source `name`.

    Args:
        name: as users type it.
        about: what it states of its images.
        held_out: how many images make the test split by default, a count (int) or a share (float); None: the
            source has test images of its own, and returns them.
        takes_path: False: a `data.path` is refused, because the source would ignore it.
        place: gives the file or folder that is read when no path is given.
        beside: names of files that are read, too, where they lie beside the path.
        accepts: other sources that it may hand over to, and whose prepared images it takes.
        crop: side of the central square of a picture that is used where the configuration does not say.
        draws: True: the source draws its images, `data.count` of them.
        handwriting: True: the images are strokes, white on black, and are measured as such.
        version: of what it makes of its files.
    """

    def register(read: Read) -> Read:
        if not read.__doc__:
            raise ValueError(f"the source {name!r} has no docstring; its first line is what users read")
        summary = read.__doc__.strip().splitlines()[0]
        entry = Source(
            name, summary, about, read, held_out, takes_path,
            place, beside, accepts, crop, draws, handwriting, version,
        )  # fmt: skip
        SOURCES.add(name, entry)
        return read

    return register
