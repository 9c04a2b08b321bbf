"""Contact sheets: every image is on it, with its label, below the title."""

from __future__ import annotations

import numpy as np
import pytest

from infogan.errors import DataError
from infogan.reporting.contact_sheet import contact_sheet


def levels(count: int, size: int = 8, channels: int = 1) -> np.ndarray:
    """Return images of one grey level each, from 100 upwards."""
    return np.broadcast_to(
        np.arange(100, 100 + count, dtype=np.uint8)[:, None, None, None], (count, size, size, channels)
    ).copy()


def test_every_image_is_shown_once_in_reading_order() -> None:
    sheet = np.array(contact_sheet(levels(30), [""] * 30, ""))
    first = {level: np.argwhere((sheet == level).all(2))[0] for level in range(100, 130)}
    places = [tuple(first[level]) for level in range(100, 130)]
    assert places == sorted(places)
    assert len({y for y, _ in places}) == 5 and len({x for _, x in places}) == 6


def test_labels_and_title_are_drawn_outside_the_images() -> None:
    plain, named = (
        contact_sheet(levels(7), labels, title) for labels, title in (([""] * 7, ""), (["7"] * 7, "a"))
    )
    assert named.height > plain.height
    sheet = np.array(named)
    for level in range(100, 107):
        assert (sheet == level).all(2).sum() >= 72 * 72  # a pixel of a letter may have the same level
    dark = (sheet < 90).all(2)
    assert dark[:36].any() and dark[36 + 72 :].any()


def test_a_long_label_does_not_reach_the_next_image() -> None:
    one, two = (np.array(contact_sheet(levels(2), ["1" * n, ""], "")) for n in (100, 0))
    assert np.array_equal(one[:, 16 + 72 + 8 :], two[:, 16 + 72 + 8 :])


@pytest.mark.parametrize("count", [0, 2])
def test_a_label_per_image_is_needed(count: int) -> None:
    with pytest.raises(DataError, match="label"):
        contact_sheet(levels(count), ["1"] * (count - 1 if count else 0), "")
