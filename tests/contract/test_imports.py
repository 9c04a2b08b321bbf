"""Who imports whom, and what no source may use. The table of ranks is the one place that orders modules.

Imports are read from the sources, wherever they stand: inside functions, and for type checkers alone.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import infogan
import infogan_experiments

PACKAGES = [Path(package.__file__).parent for package in (infogan, infogan_experiments)]

RANKS = {
    "errors": 0,
    "console": 0,
    "locks": 0,
    "matlab": 0,
    "registry": 1,
    "config": 1,
    "images": 1,
    "inline_html": 1,
    "processes": 1,
    "signals": 1,
    "storage": 1,
    "file_listing": 1,
    "hub_models": 1,
    "streams": 1,
    "augmentation": 2,
    "latents": 2,
    "networks": 2,
    "recipes": 2,
    "runs": 2,
    "scenes": 2,
    "data": 3,
    "objective": 3,
    "regularizers": 3,
    "sinks": 3,
    "plugins": 2,
    "presets": 3,
    "model_files": 3,
    "diagnosis": 4,
    "model": 4,
    "representation": 4,
    "evaluation": 5,
    "reporting": 6,
    "explorer": 6,
    "encoding": 7,
    "training": 7,
    "export": 7,
    "configuring": 8,
    "testing": 8,
    "api": 9,
    "discovery": 10,
    "sklearn": 10,
    "infogan_experiments": 11,
    "cli": 12,
    "__main__": 13,
}
"""Rooms are modules and folders of infogan, and the package of experiments; each imports lower ranks only."""

ONLY = {
    "data": {
        "config",
        "console",
        "errors",
        "file_listing",
        "locks",
        "matlab",
        "registry",
        "scenes",
        "storage",
    },  # it must not know what reads images
    "images": set(),
    "inline_html": set(),
    "processes": set(),
    "runs": {
        "config",
        "errors",
        "inline_html",
        "locks",
        "storage",
    },  # whoever only reads a run imports no networks
    "scenes": {"errors", "file_listing", "matlab"},
    "signals": {"errors"},
    "console": set(),
    "locks": set(),
    "matlab": set(),
    "storage": {"errors", "locks"},
    "streams": set(),
}
"""Rooms that may import even less than their rank allows."""

VAGUE = {"utils", "util", "misc", "helpers", "helper", "common", "tools", "stuff"}

FORBIDDEN = {
    "torch.load": "runs what is in the file",
    "torch.save": "writes what only torch.load reads",
    "torch.nan_to_num": "hides divergence",
    "numpy.nan_to_num": "hides divergence",
    "torch.manual_seed": "global randomness",
    "torch.seed": "global randomness",
    "torch.random": "global randomness",
    "torch.cuda.manual_seed": "global randomness",
    "torch.cuda.manual_seed_all": "global randomness",
    "random": "global randomness",
    **dict.fromkeys(
        ("pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"), "runs what is in the file"
    ),
}
OWN_GENERATOR = {
    "Generator",
    "Philox",
    "PCG64",
    "SeedSequence",
    "BitGenerator",
    "RandomState",
    "default_rng",
}  # of numpy.random
DRAWS = {"rand", "randn", "randint", "randperm", "bernoulli", "multinomial", "normal", "poisson"}  # of torch
DRAWS |= {"rand_like", "randn_like", "randint_like", "nn.init.normal_", "nn.init.trunc_normal_"}


def sources() -> dict[str, str]:
    """Return the text of every module of both packages by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            parts = path.relative_to(package.parent).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = path.read_text(encoding="utf-8")
    return found


def room_of(module: str) -> str:
    """Return the room that a module lies in; "" for infogan itself."""
    package, *below = module.split(".")
    return package if package != "infogan" else below[0] if below else ""


SOURCES = sources()
ROOMS = {room_of(name) for name in SOURCES} - {""}


def imported(module: str, source: str) -> Iterator[tuple[int, str]]:
    """Yield line and absolute dotted name of everything that a module imports."""
    is_package = any(name.startswith(f"{module}.") for name in SOURCES)
    here = module.split(".")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + is_package] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{prefix}.{alias.name}") for alias in node.names)


def wrong_directions(module: str, source: str) -> list[str]:
    """Return imports of this project's modules that go upward, or into a room that is not allowed."""
    room = room_of(module)
    wrong = []
    for line, name in imported(module, source):
        other = room_of(name)
        if name.split(".")[0] not in ("infogan", "infogan_experiments") or other not in ROOMS:
            continue  # someone else's, or a name of infogan/__init__.py itself
        allowed = other == room or (RANKS[other] < RANKS[room] and other in ONLY.get(room, RANKS))
        if not allowed:
            wrong.append(f"{module}:{line} imports {name}")
    return wrong


def forbidden_uses(module: str, source: str) -> list[str]:
    """Names that no source may use, however they were imported."""
    aliases = {}
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0]
                for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and not node.level:
            aliases |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}

    def full(node: ast.AST) -> str:
        if isinstance(node, ast.Attribute):
            return f"{full(node.value)}.{node.attr}"
        return aliases.get(node.id, "") if isinstance(node, ast.Name) else ""

    wrong = [f"{module}:{line} imports {name}" for line, name in imported(module, source) if _forbidden(name)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (why := _forbidden(full(node))):
            wrong.append(f"{module}:{node.lineno} uses {full(node)}: {why}")
        if isinstance(node, ast.Call):
            keywords = {keyword.arg: keyword.value for keyword in node.keywords}
            name = full(node.func)
            if (
                name.removeprefix("torch.") in DRAWS
                and name.startswith("torch.")
                and "generator" not in keywords
            ):
                wrong.append(f"{module}:{node.lineno} draws by {name} without a generator")
            pickles = keywords.get("allow_pickle")
            if pickles is not None and not (isinstance(pickles, ast.Constant) and pickles.value is False):
                wrong.append(f"{module}:{node.lineno} allows pickles")
    return wrong


def _forbidden(name: str) -> str | None:
    if name.startswith("numpy.random.") and name.split(".")[2] not in OWN_GENERATOR:
        return "global randomness"
    return next(
        (why for known, why in FORBIDDEN.items() if name == known or name.startswith(f"{known}.")), None
    )


# --- the sources as they are -----------------------------------------------------------------------------


def test_every_module_has_its_rank() -> None:
    """A new module is put into the table; one that has gone is taken out."""
    assert set(RANKS) == ROOMS
    assert set(ONLY) <= set(RANKS)


@pytest.mark.parametrize("module", [name for name in SOURCES if room_of(name)])
def test_imports_go_downward_only(module: str) -> None:
    assert wrong_directions(module, SOURCES[module]) == []


def test_importing_the_package_imports_none_of_its_modules() -> None:
    assert [name for _, name in imported("infogan", SOURCES["infogan"]) if name.startswith("infogan")] == []


@pytest.mark.parametrize("module", SOURCES)
def test_nothing_forbidden_is_used(module: str) -> None:
    wrong = forbidden_uses(module, SOURCES[module])
    if module == "infogan.streams":  # seeds code from outside the package, and restores the global state
        wrong = [use for use in wrong if "torch.random" not in use and "torch.manual_seed" not in use]
    assert wrong == []


def test_no_module_name_occurs_twice() -> None:
    """A reader finds a module by its name alone; `__init__` modules are named as their folders."""
    leaves = [name.rsplit(".", 1)[-1] for name in SOURCES]
    assert [name for name in set(leaves) if leaves.count(name) > 1] == []


def test_names_of_modules_say_what_they_are() -> None:
    assert [name for name in SOURCES if VAGUE & set(name.split("."))] == []


def test_using_a_model_loads_nothing_of_training() -> None:
    code = (
        "import sys, infogan, infogan.evaluation, infogan.reporting.traversals\n"
        "infogan.InfoGAN\n"
        "loaded = [name for name in sys.modules if name.startswith(('infogan.training', 'infogan.cli'))]\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_table_of_components_in_the_documentation_has_the_same_ranks() -> None:
    page = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([^|]*) \|", page, re.MULTILINE)
    shown = {name: int(rank) for rank, names in rows for name in re.findall(r"`(\w+)(?:\.py|/)?`", names)}
    assert shown == {name: rank for name, rank in RANKS.items() if name != "__main__"}


@pytest.mark.parametrize("folder", ["data", "training"])
def test_the_table_of_the_modules_of_a_folder_in_the_documentation_is_complete(folder: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition(f"### The modules of `{folder}/`")[2].partition("\n#")[0]
    first_column = " ".join(re.findall(r"^\| ([^|]*) \|", table, re.MULTILINE))
    modules = {path.name for path in (PACKAGES[0] / folder).glob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"`(\w+\.py)`", first_column)) == modules


# --- the readers of the sources find what they look for --------------------------------------------------


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("evaluation.purity", "from infogan.training import engine"),
        ("evaluation.purity", "def late():\n    from infogan import training"),
        (
            "evaluation.purity",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import infogan.training.trainer",
        ),
        ("evaluation.purity", "from ..training import engine"),
        ("evaluation", "from ..training import engine"),
        ("evaluation.purity", "from infogan.reporting import tables"),
        ("reporting.tables", "from infogan.training.trainer import Trainer"),
        ("runs.health", "from infogan.model import InfoGAN"),
        ("model", "from infogan import evaluation"),
        ("latents", "import infogan.networks"),
        ("config", "from infogan.latents import Latents"),
        ("data.sources.folder", "from infogan import streams"),
        ("storage", "from infogan.config import Config"),
        ("streams", "from infogan.errors import InfoGANError"),
        ("training.runner", "from infogan import api"),
        ("api", "import infogan_experiments"),
    ],
)
def test_an_import_upward_is_found(module: str, source: str) -> None:
    assert len(wrong_directions(f"infogan.{module}", source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "evaluation.purity",
            "from . import clustering\nfrom .clustering import nmi\nfrom ..model import InfoGAN",
        ),
        ("evaluation", "from .registry import metric\nfrom infogan.evaluation import clustering"),
        ("cli", "from infogan import __version__, api\nimport torch.training, training"),
    ],
)
def test_an_import_downward_is_let_through(module: str, source: str) -> None:
    assert wrong_directions(f"infogan.{module}", source) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "def late():\n    from pickle import loads",
        "import joblib as stored",
        "import torch\ntorch.load('x')",
        "from torch import load",
        "import torch as t\nt.save",
        "import torch\ntorch.nan_to_num(x)",
        "import numpy as np\nnp.nan_to_num(x)",
        "import torch\ntorch.manual_seed(0)",
        "import torch\ntorch.random.fork_rng()",
        "import numpy as np\nnp.random.seed(0)",
        "import numpy\nnumpy.random.rand(3)",
        "from numpy.random import randn",
        "import random",
        "import torch\ntorch.randn(3)",
        "from torch import nn\nnn.init.normal_(w, std=0.02)",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import numpy as np\nnp.load('x', allow_pickle=flag)",
    ],
)
def test_a_forbidden_use_is_found(source: str) -> None:
    assert forbidden_uses("infogan.model", source) != []


def test_what_only_looks_forbidden_is_let_through() -> None:
    source = (
        '"""No pickle, no torch.load."""\nimport numpy as np\nimport torch\n'
        "torch.Generator('cpu').manual_seed(3)\nnp.random.Generator(np.random.Philox(3)).normal()\n"
        "torch.randn(3, generator=g)\nnp.load('x', allow_pickle=False)\nmodel.load('x')\n"
    )
    assert forbidden_uses("infogan.model", source) == []
