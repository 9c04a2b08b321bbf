"""The networks: appendix C's tables as data, and the builder that turns a table into modules."""

from infogan.networks.architectures import (
    ARCHITECTURES,
    TABLES,
    Architecture,
    Layer,
    architecture,
    check_architecture,
    encoder_rows,
    generic_table,
    residual_table,
)
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
from infogan.networks.custom import (
    NETWORKS,
    Build,
    CustomGenerator,
    CustomTrunk,
    Networks,
    NetworkShape,
    network,
)

__all__ = [
    "ARCHITECTURES",
    "NETWORKS",
    "TABLES",
    "Architecture",
    "Build",
    "CustomGenerator",
    "CustomTrunk",
    "Discriminator",
    "Generator",
    "Layer",
    "NetworkShape",
    "Networks",
    "PairClassifier",
    "Recognition",
    "Stack",
    "Style",
    "Trunk",
    "architecture",
    "check_architecture",
    "encoder_rows",
    "generic_table",
    "initialise",
    "network",
    "rescale",
    "residual_table",
]
