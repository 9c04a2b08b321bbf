"""docs/configuration.md is written from the descriptions of the keys."""

from __future__ import annotations

from pathlib import Path

import infogan.config as configuration
from infogan.config import reference

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_is_what_the_descriptions_say() -> None:
    again = "python -m infogan.config.reference > docs/configuration.md"
    assert PAGE.read_text(encoding="utf-8") == reference.describe(), again


def test_every_key_of_every_section_code_and_posterior_is_described() -> None:
    tables = [getattr(configuration, name) for name in configuration.__all__ if name[0].isupper()]
    tables = [table for table in tables if hasattr(table, "__pydantic_fields__")]
    assert len(tables) >= 15
    for table in tables:
        for key, field in table.__pydantic_fields__.items():
            assert field.description, f"{table.__name__}.{key}"
