"""Each test of the sources has a cache of its own, without the images that other tests prepared."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("own-cache")
    monkeypatch.setenv("INFOGAN_CACHE", str(folder))
    return folder
