"""What all tests share: shapes in signatures are checked, one thread, a model that is built in no time."""

from __future__ import annotations

import importlib.util
import pkgutil
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxtyping import config as shape_checks
from jaxtyping import install_import_hook

from tests import type_checks

# Readers and printers of what users bring: they refuse a wrong array or file themselves, with a message
# that their tests read. Streams of bytes are no instances of typing's BinaryIO, either.
_UNCHECKED = {"data", "reporting", "scenes"}
_PACKAGE = importlib.util.find_spec("infogan")
assert _PACKAGE is not None
_CHECKED = {module.name for module in pkgutil.iter_modules(_PACKAGE.submodule_search_locations)} - _UNCHECKED

# Before anything imports infogan: from here on every call checks its arguments' types and shapes.
install_import_hook(
    [*(f"infogan.{name}" for name in sorted(_CHECKED)), "infogan_experiments"],
    f"{type_checks.__name__}.{type_checks.checked.__name__}",
)

import pytest  # noqa: E402
import torch  # noqa: E402

from infogan.config import Config, DataConfig, LatentsConfig, NetworkConfig, parse_codes  # noqa: E402
from infogan.model import InfoGAN  # noqa: E402
from infogan.training.trainer import Trainer  # noqa: E402
from tests.browser import launched  # noqa: E402

# Tests run side by side: more threads each would only wait for one another.
torch.set_num_threads(1)

_ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Prepared images go into a folder of this test process, also those of the commands that tests start."""
    patch = pytest.MonkeyPatch()
    patch.setenv("INFOGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def _fewer_shape_checks() -> Iterator[None]:
    """Check the shapes of the first two steps of a training and of every tenth: checks double its time."""
    advance = Trainer.advance
    begun: weakref.WeakKeyDictionary[Trainer, int] = weakref.WeakKeyDictionary()

    def checked_at_times(trainer: Trainer) -> None:
        begun[trainer] = steps = begun.get(trainer, 0) + 1
        shape_checks.update("jaxtyping_disable", steps > 2 and trainer.step % 10 > 0)
        try:
            advance(trainer)
        finally:
            shape_checks.update("jaxtyping_disable", False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "advance", checked_at_times)
        yield


@pytest.fixture
def tiny_config() -> Config:
    """8x8 gray images, every hidden layer an eighth as wide, one code of each kind that the paper uses."""
    return Config(
        data=DataConfig(source="digits", size=8, channels=1),
        latents=LatentsConfig(noise=6, codes=parse_codes("digit:4 style:u")),
        network=NetworkConfig(width=0.125),
    )


@pytest.fixture
def tiny_model(tiny_config: Config) -> InfoGAN:
    return InfoGAN(tiny_config)


@pytest.fixture(scope="module")  # no longer: while it runs, no other event loop can
def browser() -> Iterator[Any]:
    """Chromium, for tests with the marks `needs_chromium`."""
    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the original data sets, which are too large for the repository."""
    places = [_ROOT.parent / "shared" / "data", _ROOT / "shared" / "data"]
    for place in places:
        if place.is_dir():
            return place
    pytest.skip(f"the original data sets are at none of {', '.join(map(str, places))}")
