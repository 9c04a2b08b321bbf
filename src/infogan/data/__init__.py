"""Where images come from: one file a source, one registry, one way in.

    dataset = load(DataConfig(source="digits"))
    dataset.train.images    # uint8 [1500, 8, 8, 1]

A new data set is one function in one new file of this package, under the decorator `source`; the files are
found by looking, so that there is no list to keep.
"""

from infogan.data.dataset import Dataset, Factor, Found, Split, Stream, Truth
from infogan.data.loading import every, from_array, load, prepare
from infogan.data.source import SOURCES, About, source
from infogan.data.sources.folder import SUFFIXES, read_images
from infogan.file_listing import Skipped

__all__ = [
    "SOURCES",
    "SUFFIXES",
    "About",
    "Dataset",
    "Factor",
    "Found",
    "Skipped",
    "Split",
    "Stream",
    "Truth",
    "every",
    "from_array",
    "load",
    "prepare",
    "read_images",
    "source",
]
