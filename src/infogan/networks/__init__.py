"""The networks: appendix C's tables as data, and the builder that turns a table into modules."""

from infogan.networks.architectures import TABLES, Architecture, architecture, generic_table, residual_table
from infogan.networks.blocks import Stack, Style
from infogan.networks.builder import (
    Discriminator,
    Generator,
    PairClassifier,
    Recognition,
    Trunk,
    initialise,
    rescale,
)

__all__ = [
    "TABLES",
    "Architecture",
    "Discriminator",
    "Generator",
    "PairClassifier",
    "Recognition",
    "Stack",
    "Style",
    "Trunk",
    "architecture",
    "generic_table",
    "initialise",
    "rescale",
    "residual_table",
]
