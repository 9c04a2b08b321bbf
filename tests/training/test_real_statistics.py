"""Moving averages of Q's predictions for real images."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from infogan import regularizers
from infogan.config import Config, parse_codes
from infogan.training.repair import split_merge
from infogan.training.trainer import Trainer

Tiny = Callable[..., Config]
Make = Callable[[Config], Trainer]


def test_categories_that_both_views_share_keep_their_entropy(tiny: Tiny, trainer: Make) -> None:
    made = trainer(tiny())
    prior = made.model.latents.categorical["digit"]
    raw = torch.zeros(40, made.model.latents.posterior_width)
    start = split_merge.rows_of(made.model, "digit", 0).outputs
    for row in range(40):
        raw[row, start + (row % 20) % 10] = 50.0
    terms = made.statistics.information(raw, None)
    assert float(
        regularizers.table_information(made.statistics.category_table(("digit", 0)))
    ) == pytest.approx(prior.entropy, abs=1e-4)
    assert terms["real_information"].item() == pytest.approx(3 * prior.entropy, abs=1e-3)  # 2 * 2 - 1


def test_the_first_batches_have_equal_weights(tiny: Tiny, trainer: Make) -> None:
    made = trainer(tiny())
    outputs = made.model.latents.posterior_width
    start = split_merge.rows_of(made.model, "digit", 0).outputs
    for category in (0, 1, 2):
        raw = torch.zeros(8, outputs)
        raw[:, start + category] = 50.0
        made.statistics.observe(raw)
    assert torch.allclose(made.statistics.usage["digit", 0][:3], torch.tensor(1 / 3), atol=1e-5)


def test_without_categories_nothing_is_learned_from_real_images(tiny: Tiny) -> None:
    """No neighbours, no second view: no term would read them."""
    config = tiny().replace(objective={"neighbours": 2})
    latents = config.latents.model_copy(update={"codes": parse_codes("slant:u width:u")})
    assert config.seeks_neighbours and config.reads_real
    bare = config.model_copy(update={"latents": latents})
    assert not bare.seeks_neighbours and not bare.reads_real
