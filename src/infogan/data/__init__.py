"""Data sets: one file per source, one registry, one function that loads them.

    dataset = load(DataConfig(source="digits"))
    dataset.train.images    # uint8 [1500, 8, 8, 1]

`infogan.data.source` shows how to add a source.
"""

from infogan.data import kept, splits
from infogan.data.dataset import Dataset, Factor, Found, Split, Stream, Truth
from infogan.data.in_memory import as_images, as_labels
from infogan.data.loading import from_array, from_found, load, load_all, prepare
from infogan.data.prepared import collect
from infogan.data.python_images import as_found
from infogan.data.source import SOURCES, About, source
from infogan.data.sources.folder import SUFFIXES
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
    "as_found",
    "as_images",
    "as_labels",
    "collect",
    "from_array",
    "from_found",
    "kept",
    "load",
    "load_all",
    "prepare",
    "source",
    "splits",
]
