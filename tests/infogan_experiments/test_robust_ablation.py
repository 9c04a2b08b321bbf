"""The ablation of the recipe `robust`."""

from __future__ import annotations

from typing import Any

import pytest

from infogan import api
from infogan import config as configuration
from infogan.config import Config
from infogan_experiments import (
    robust_ablation,
)


def configurations() -> tuple[Config, Config]:
    paper, full = (
        api.configure("mnist", recipe=name, settings={"network.width": 0.5}) for name in ("paper", "robust")
    )
    return paper, full


def test_all_parts_together_are_the_recipe_and_none_is_the_paper() -> None:
    paper, full = configurations()
    ours = robust_ablation.with_parts(paper, full, tuple(robust_ablation.PARTS))
    steps = full.training.model_copy(update={"steps": ours.training.steps})
    assert ours == full.model_copy(update={"training": steps})
    assert robust_ablation.with_parts(paper, full, ()) == paper


def test_every_part_makes_a_difference_and_only_with_its_own_keys() -> None:
    paper, full = configurations()
    variants = robust_ablation.variants()
    configs = {name: robust_ablation.with_parts(paper, full, parts) for name, parts in variants.items()}
    assert len({config.model_dump_json() for config in configs.values()}) == len(configs)
    whole = configs[f"plus {list(robust_ablation.PARTS)[-1]}"]
    for part, keys in robust_ablation.PARTS.items():
        if f"all but {part}" not in variants:
            continue
        changed = set(configuration.changes(whole, configs[f"all but {part}"]))
        own = {key for key in changed if any(key.startswith(k) for k in keys)}
        assert own, part
        # Split and merge cannot be without sub-codes.
        others = {key for key in changed - own if not key.startswith("training.repair")}
        assert not others, part


def test_the_ablation_measures_label_free_selection() -> None:
    def made(arm: str, seed: int, accuracy: float, nats: float | None) -> dict[str, Any]:
        scores = {"clustering": {"accuracy": accuracy}}
        score = {} if nats is None else {"label_free_nats": {"10": nats}}
        return {"arm": arm, "seed": seed, "steps": 10, "scores": scores, **score}

    right = [made("a", seed, value, value) for seed, value in enumerate((0.5, 0.9, 0.7))]
    wrong = [made("b", seed, value, -value) for seed, value in enumerate((0.6, 0.8))]
    without = [made("paper", seed, 0.4, None) for seed in range(3)]
    found = robust_ablation.label_free([*right, *wrong, *without])
    assert (found["runs"], found["arms"]) == (5, 2)
    assert found["regret"] == pytest.approx((0.0 + 0.2) / 2)
    assert found["regret_greatest"] == pytest.approx(0.2)
    assert found["blind"] == pytest.approx((0.2 + 0.1) / 2)
    assert robust_ablation.label_free(without) == {"runs": 0}
