"""Read splits and classes from the folders that images lie in.

birds/crow/1.png        birds/train/crow/1.png        birds/crow/train/1.png
birds/owl/2.png         birds/test/owl/2.png          birds/owl/test/2.png
classes crow, owl       the same classes, and a split into training and test images
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
from jaxtyping import Bool

from infogan.data.dataset import Truth

TRAIN = ("train", "training")
"""Names of folders of training images, in small or capital letters, and with a year: train2017."""

HELD_OUT = ("test", "testing", "val", "valid", "validation")
"""Names of folders of images that are not used for training: together they are the test split."""

NO_FOLDER = "(no folder)"
"""Class of the few images that lie outside of all class folders."""

MOST_STRAYS = 0.1
"""Share of images outside of class folders, above which folders are not classes."""

_Parts = tuple[str, ...]
_NUMBERS = re.compile(r"(?:[-_. ]?(?:of)?[-_. ]?\d+)+$")


@dataclass(frozen=True)
class Layout:
    """Meaning of the folders of N images.

    Attributes:
        test: True for each test image, [N]; None if no folders are named as splits.
        truth: labels and the sorted names of the classes, if there are any.
        strays: indices of images outside of all class folders. If they are few, their class is `NO_FOLDER`;
            otherwise there are no classes.
    """

    test: Bool[np.ndarray, " n"] | None = None
    truth: Truth = field(default_factory=Truth)
    strays: tuple[int, ...] = ()


def read_layout(names: Sequence[str], *, split_folders: bool = True) -> Layout:
    """Return the split and the classes that the folders of images name.

    Folders named as in `TRAIN` and `HELD_OUT` are a split if there are both, as top folders or in every class
    folder. Images in other folders are then training images. The next folder is an image's class, if nearly
    every image lies in one and there are several.

    Args:
        names: paths of the images, relative to one folder or archive.
        split_folders: if False, such folders are classes as any other.
    """
    paths = _without_common([PurePosixPath(name).parts for name in names])
    test = None
    if split_folders and (level := _split_level(paths)) is not None:
        test = np.array([_word(path, level) in HELD_OUT for path in paths])
        paths = _without_common([_without_split(path, level) for path in paths])
    strays = tuple(index for index, path in enumerate(paths) if len(path) < 2)
    if strays and (not split_folders or len(strays) > MOST_STRAYS * len(paths)):
        return Layout(test, strays=strays if len(strays) < len(paths) else ())
    if strays:
        paths = [path if len(path) > 1 else (NO_FOLDER, *path) for path in paths]
    classes = sorted({path[0] for path in paths})
    number = {name: index for index, name in enumerate(classes)}
    return Layout(
        test, Truth(np.array([number[path[0]] for path in paths], np.int64), tuple(classes)), strays
    )


def groups(names: Sequence[str], by: Literal["folder", "prefix"]) -> list[str]:
    """Return the group of each image: its folder, or its path without the number at its end."""
    paths = [PurePosixPath(name) for name in names]
    if by == "folder":
        return [str(path.parent) for path in paths]
    return [str(path.parent / without_numbers(path.with_suffix("").name)) for path in paths]


def without_numbers(stem: str) -> str:
    """Return a name without the numbers at its end: "train-00001-of-00010" becomes "train"."""
    return _NUMBERS.sub("", stem.removesuffix(".tar"))


def _without_common(paths: list[_Parts]) -> list[_Parts]:
    """Remove the top folders that all images share: many archives contain one folder with everything."""
    while paths and all(len(path) > 1 for path in paths) and len({path[0] for path in paths}) == 1:
        paths = [path[1:] for path in paths]
    return paths


def _split_level(paths: Sequence[_Parts]) -> int | None:
    """Return the index of the folder that names the split of an image, 0 or 1; None if there is no split."""
    for level in (0, 1):
        words = {_word(path, level) for path in paths}
        named = words & {*TRAIN, *HELD_OUT}
        if words & {*TRAIN} and words & {*HELD_OUT} and (level == 0 or words == named):
            return level
    return None


def _word(path: _Parts, level: int) -> str:
    """Return the name of a folder of an image in small letters; "" if it lies in fewer folders.

    Splits lose the year that some data sets have: train2017 is "train".
    """
    name = path[level].lower() if len(path) > level + 1 else ""
    plain = name.rstrip("0123456789")
    return plain if plain in {*TRAIN, *HELD_OUT} else name


def _without_split(path: _Parts, level: int) -> _Parts:
    return path[:level] + path[level + 1 :] if _word(path, level) in {*TRAIN, *HELD_OUT} else path
