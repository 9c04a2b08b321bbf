"""Entries of plug-ins: a plug-in replaces its own, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from infogan import load_plugin
from infogan.errors import UsageError
from infogan.presets import PRESETS
from infogan.recipes import RECIPES

PLUGIN = """
import infogan
infogan.PRESETS.add("mine", infogan.Preset("mine", "{summary}", {{"data": {{"source": "digits"}}}}))
infogan.RECIPES.add("mine", infogan.Recipe("mine", "{summary}"))
"""


def test_presets_and_recipes_of_a_plugin_can_be_added_again(tmp_path: Path) -> None:
    path, other = tmp_path / "my_presets.py", tmp_path / "other.py"
    with PRESETS.restored(), RECIPES.restored():
        for summary in ("first", "second"):
            path.write_text(PLUGIN.format(summary=summary))
            load_plugin(path)
            assert PRESETS["mine"].summary == RECIPES["mine"].summary == summary
        assert PRESETS.origins["mine"].plugin == RECIPES.origins["mine"].plugin == "my_presets"
        other.write_text(PLUGIN.format(summary="third"))
        with pytest.raises(UsageError, match="there are two presets named 'mine'"):
            load_plugin(other)


def test_entries_of_infogan_have_no_origin() -> None:
    assert not PRESETS.origins and not RECIPES.origins
