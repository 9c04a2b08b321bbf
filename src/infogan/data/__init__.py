"""Where images come from: one file a source, one registry, one way in.

    dataset = load(DataConfig(source="digits"))
    dataset.train.images    # uint8 [1500, 8, 8, 1]

A new data set is one function in one new file of this package, under the decorator `source`; the files are
found by looking, so that there is no list to keep.
"""

from infogan.data.arrays import SUFFIXES as ARRAY_SUFFIXES
from infogan.data.dataset import Dataset, Found, Skipped, Split
from infogan.data.folder import read_images
from infogan.data.registry import from_array, load, source, sources

__all__ = [
    "ARRAY_SUFFIXES",
    "Dataset",
    "Found",
    "Skipped",
    "Split",
    "from_array",
    "load",
    "read_images",
    "source",
    "sources",
]
