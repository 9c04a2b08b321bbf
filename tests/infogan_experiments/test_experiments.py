"""The paper's experiments in the small: what they write, and that a stopped one goes on."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from infogan import api, data, evaluation
from infogan import config as configuration
from infogan.config import Config, parse_assignments
from infogan.errors import ConfigError, UsageError
from infogan.evaluation.disentanglement.score import SCORES
from infogan.model import InfoGAN
from infogan.training import runner
from infogan_experiments import (
    names,
    results,
    robust_ablation,
    robust_seeds,
    run,
    selection_study,
    sprites_study,
    worked_examples,
)
from infogan_experiments.experiment import Options
from infogan_experiments.mnist_paper import lowest_mean
from infogan_experiments.real_only import cluster_real
from infogan_experiments.variants import reached, trained_to

TINY = (
    "data.source=digits", "data.size=8", "network.architecture=generic", "network.width=0.125",
    "training.batch_size=16", "latents.noise=6",
)  # fmt: skip


def test_every_experiment_says_what_it_does() -> None:
    assert {"figure1", "mnist-paper"} <= set(names()) and all(names().values())


def test_an_experiment_that_has_gone_further_says_how_far(tmp_path: Path) -> None:
    config = api.configure("mnist", recipe="paper", settings=parse_assignments(TINY))
    trained_to(config, 4, tmp_path / "run")
    with pytest.raises(ConfigError, match="was trained to step 4, past step 2") as caught:
        trained_to(config, 2, tmp_path / "run")
    assert "another --out" in caught.value.advice
    assert trained_to(config, 4, tmp_path / "run").model.provenance["steps"] == 4
    with pytest.raises(ConfigError, match="another configuration"):  # which is told of first
        trained_to(
            api.configure("mnist", recipe="robust", settings=parse_assignments(TINY)), 2, tmp_path / "run"
        )


def test_an_experiment_goes_on_from_the_checkpoint_that_is_whole(tmp_path: Path) -> None:
    settings = [*TINY, "training.save_every=2"]
    config = api.configure("mnist", recipe="paper", settings=parse_assignments(settings))
    run = trained_to(config, 4, tmp_path / "run").run
    (run.checkpoints / "step-00000004" / "model.safetensors").write_bytes(b"torn")
    assert reached(run.path) == 2
    assert trained_to(config, 3, run.path).model.provenance["steps"] == 3


def test_an_unknown_experiment_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="figure1"):
        run("figur1", Options())


def test_figure1_compares_both_variants_and_trains_a_new_q_on_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = evaluation.fit_recognition
    budget = evaluation.Budget(max_steps=20, check_every=10, batch_size=16, held_out=64)
    monkeypatch.setattr(
        evaluation, "fit_recognition", lambda model, seed: whole(model, seed=seed, budget=budget, samples=64)
    )
    folder = tmp_path / "figure1"
    run("figure1", Options(out=folder, steps=40, seed=3, settings=TINY))
    result = json.loads((folder / "figure1.json").read_text())
    assert result["seed"] == 3 and result["arms"].keys() == {"infogan", "gan"}
    for arm in result["arms"].values():
        assert arm["step"] == [20, 40] and len(arm["nats"]) == 2
        assert "mutual_information_nats" in arm["fresh_recognition"]["codes"]["digit"]
    # Until the generator's first update both variants are equal; afterwards the bound has an effect.
    assert result["arms"]["infogan"]["nats"] != result["arms"]["gan"]["nats"]
    settings = {arm: (folder / arm / "config.toml").read_text() for arm in ("infogan", "gan")}
    assert settings["infogan"].replace("generator_information = true", "") == settings["gan"].replace(
        "generator_information = false", ""
    )
    assert "a new Q trained on the frozen generator" in capsys.readouterr().out
    figure = (folder / "figure1.svg").read_text()
    assert figure.startswith("<svg") and figure.count("<polyline") == 5 and figure.count("<circle") == 7 + 2
    trained = (folder / "gan" / "model" / "model.safetensors").stat().st_mtime_ns
    run("figure1", Options(out=folder, steps=40, seed=3, settings=TINY))
    assert (folder / "gan" / "model" / "model.safetensors").stat().st_mtime_ns == trained


def test_the_lowest_mean_looks_at_the_hundred_steps_before_each_line() -> None:
    lines = [{"step": 20 * i, "mutual_information": {"digit": float(i)}} for i in range(1, 11)]
    assert lowest_mean(lines, 0) == 3.0  # of lines 1 to 5, which end at step 100
    assert lowest_mean(lines, 101) == 4.0
    assert lowest_mean(lines, 1_000) is None


# --- the robust recipe -----------------------------------------------------------------------------------


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
    arms = robust_ablation.arms()
    configs = {arm: robust_ablation.with_parts(paper, full, parts) for arm, parts in arms.items()}
    assert len({config.model_dump_json() for config in configs.values()}) == len(configs)
    whole = configs[f"plus {list(robust_ablation.PARTS)[-1]}"]
    for part, keys in robust_ablation.PARTS.items():
        if f"all but {part}" not in arms:
            continue
        changed = set(configuration.changes(whole, configs[f"all but {part}"]))
        own = {key for key in changed if any(key.startswith(k) for k in keys)}
        assert own, part
        # Split and merge cannot be without sub-codes.
        others = {key for key in changed - own if not key.startswith("training.repair")}
        assert not others, part


def test_a_table_of_seeds_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Options(out=tmp_path, steps=4, seed=7, seeds=2, settings=[*TINY, "repair_end=0"])
    run("robust-digits", options)
    printed = capsys.readouterr().out
    result = json.loads((tmp_path / "robust-digits.json").read_text())
    assert [(row["seed"], row["steps"]) for row in result["rows"]] == [(7, 4), (8, 4)]
    assert result["summary"]["4"]["seeds"] == [7, 8]
    assert set(result["rows"][0]["label_free_nats"]) == {"4"}
    assert printed.count("\n| 7 | 4 |") == 1
    monkeypatch.setattr(results, "trained_to", None)  # what is measured is not trained again
    for path in (tmp_path / "rows").iterdir():  # as an older version wrote it, which did not know this key
        older = json.loads(path.read_text())
        del older["config"]["network"]["normalization"]
        path.write_text(json.dumps(older))
    run("robust-digits", options)
    with pytest.raises(ConfigError, match="other settings"):
        run("robust-digits", replace(options, settings=[*options.settings, "marginal_weight=3.0"]))


def test_several_seeds_of_a_group_are_all_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*TINY, "repair_end=0", "prune_steps=[3]", "data.held_out=200"]
    options = Options(out=tmp_path, steps=6, seed=7, seeds=1, settings=settings)
    run("fashion-seeds", options)
    result = json.loads((tmp_path / "fashion-seeds.json").read_text())
    (entry,) = result["rows"]
    assert list(entry["seeds"]) == ["7", "8", "9", "10"]
    stopped = {int(seed): one["steps"] for seed, one in entry["seeds"].items()}
    assert stopped.pop(entry["best"]) == 6
    assert set(stopped.values()) == {3}
    nats = {int(seed): one["label_free_nats"] for seed, one in entry["seeds"].items()}
    assert max(nats, key=nats.__getitem__) == entry["best"]
    assert result["summary"]["accuracy_mean"] == entry["scores"]["clustering"]["accuracy"]
    assert f"| 7 to 10 | {entry['best']} |" in capsys.readouterr().out
    monkeypatch.setattr(api, "train_config", None)  # what is measured is not trained again
    run("fashion-seeds", options)


def test_a_preset_may_say_what_the_recipe_does_otherwise() -> None:
    own, plain = api.configure("fashion-mnist"), api.configure("mnist")
    assert (own.network.normalization, plain.network.normalization) == ("spectral", "batch")
    assert api.configure("fashion-mnist", recipe="paper").network.normalization == "batch"
    assert (
        api.configure("fashion-mnist", settings={"normalization": "batch"}).network.normalization == "batch"
    )


def measured(seed: int, accuracy: float, nats: float, **factors: float) -> dict[str, Any]:
    """A row of a table as `results.row` writes it: noise makes half of what varies."""
    spearman = {
        name: {"spearman_generated": value, "spearman_real": value - 0.1} for name, value in factors.items()
    }
    return {
        "arm": "mnist", "seed": seed, "steps": 40, "label_free_nats": {"20": -nats, "40": nats},
        "scores": {
            "clustering": {"accuracy": accuracy, "generated_purity": accuracy},
            "variance": {"real": 40.0, "generated": 36.0, "noise": 18.0},
            "codes": {"rotation": {"r2_fake": accuracy}, "digit": {}},
            "factors": spearman,
        },
    }  # fmt: skip


def test_a_summary_shows_the_worst_seed_and_what_a_pick_without_labels_costs() -> None:
    some = [
        measured(1, 0.98, 2.1, slant=0.9, width=0.8),
        measured(2, 0.90, 1.7, width=0.7, thickness=0.9),
        measured(3, 0.97, 2.0, slant=0.8, thickness=0.6),
    ]
    found = robust_seeds.summary(some)["40"]
    assert found["accuracy_mean"] == pytest.approx(0.95)
    assert (found["accuracy_median"], found["accuracy_least"]) == (0.97, 0.90)
    assert found["r2_fake_least"] == 0.90
    assert found["variance_median"] == {"generated_over_real": 0.9, "noise_over_generated": 0.5}
    # A seed without a code for slant has none: it is not left out of the median.
    assert found["slant_median"]["generated"] == 0.8
    assert robust_seeds.summary(some[:2])["40"]["slant_median"]["generated"] == 0.45
    assert found["width_or_thickness_median"]["real"] == pytest.approx(0.7)
    late, early = found["label_free"]["40"], found["label_free"]["20"]
    assert (late["picked_seed"], late["regret"], late["rank_correlation"]) == (1, 0.0, pytest.approx(1))
    assert (early["picked_seed"], early["regret"]) == (2, pytest.approx(0.08))
    shown = robust_seeds.summary_table({"40": found})
    assert "| 40 | accuracy, median; least; greatest | 0.9700; 0.9000; 0.9800 |" in shown
    assert "at step 20 | seed 2, regret 0.0800, rank correlation -1.00 |" in shown


def test_a_mean_over_seeds_has_students_interval() -> None:
    assert results.seeds_interval([0.9]) == (0.9, 0.9, 0.9)
    mean, low, high = results.seeds_interval([1.0, 2.0, 3.0])
    assert (mean, low, high) == pytest.approx((2.0, 2 - 2.4841, 2 + 2.4841), abs=1e-3)  # t(2) = 4.3027


def test_real_images_alone_are_clustered_without_a_generator() -> None:
    config = api.configure(
        "digits", settings={"network.width": 0.25, "training.steps": 60, "learning_rate_discriminator": 0.003}
    )
    dataset = data.load(config.data)
    config = runner.resolve(config, dataset)
    before, model = InfoGAN(config), cluster_real(config, dataset)
    for mine, theirs in zip(model.generator.parameters(), before.generator.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    accuracies = [evaluation.clustering_accuracy(one, dataset) for one in (before, model)]
    assert accuracies[1] > accuracies[0] + 0.1


def test_criteria_are_held_against_labels_and_a_blind_pick() -> None:
    goodness = {"1": 0.9, "2": 0.5, "3": 0.7, "4": 0.6}
    runs = {
        name: {"right": value, "wrong": -value, "mean_rank": rank}
        for rank, (name, value) in enumerate(sorted(goodness.items(), key=lambda one: -one[1]), start=1)
    }
    found = selection_study.summary({"runs": runs}, goodness)
    for name in ("right", "mean_rank"):
        assert found["criteria"][name]["rank_correlation"] == pytest.approx(1)
        assert (found["criteria"][name]["picked"], found["criteria"][name]["regret"]) == ("1", 0)
    assert found["criteria"]["wrong"]["regret"] == pytest.approx(0.4)
    assert found["blind"] == pytest.approx(0.9 - 0.675)
    shown = selection_study.table(found, "accuracy")
    assert "| right | 1.00 (" in shown and "| a blind pick, the mean | | | 0.225 |" in shown


def test_runs_are_trained_chosen_from_and_judged_by_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = replace(selection_study.MNIST, preset="digits", steps=3)
    monkeypatch.setattr(selection_study, "MNIST", plan)
    with pytest.raises(UsageError, match="so few runs"):
        run("choosing-mnist", Options(out=tmp_path, seed=7, seeds=2, settings=TINY))
    run("choosing-mnist", Options(out=tmp_path, seed=7, seeds=3, settings=TINY))
    result = json.loads((tmp_path / "choosing-mnist.json").read_text())
    assert set(result["goodness"]) == {"7", "8", "9"}
    assert {"kept_nats", "consensus", "mean_rank"} <= set(result["criteria"])
    assert result["choice"]["chosen"] in result["goodness"]
    assert "a blind pick" in capsys.readouterr().out


def test_the_ablation_says_what_picking_without_labels_is_worth() -> None:
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
    assert "| regret of a blind pick, mean | 0.150 |" in robust_ablation.picks_table(found)
    assert robust_ablation.picks_table(robust_ablation.label_free(without)) == ""


# --- sprites ---------------------------------------------------------------------------------------------


def scored(arm: str, seed: int, steps: int, value: float) -> dict[str, Any]:
    one = {
        "factorvae": value, "factorvae_interval": [value - 0.1, value + 0.1],
        "mig": value / 2, "mig_interval": [0.0, value],
        "dci": {"disentanglement": value, "disentanglement_interval": [0.0, 1.0]},
    }  # fmt: skip
    baselines = {"pca": {"disentanglement": one}, "kmeans": {}}
    return {
        "arm": arm,
        "seed": seed,
        "steps": steps,
        "scores": {"disentanglement": one, "baselines": baselines},
    }


def test_the_table_of_sprites_shows_every_seed_the_means_the_pick_and_the_curve() -> None:
    values = {(arm, seed): 0.2 + 0.1 * number + 0.01 * (seed - 100)
              for number, arm in enumerate(sprites_study.arms(100)) for seed in (100, 101)}  # fmt: skip
    made = [
        scored(arm, seed, steps, value * steps / 100)
        for (arm, seed), value in values.items()
        for steps in (50, 100)
    ]
    shown = sprites_study.table(made, 100, {"seed": 101}).splitlines()
    assert f"| {sprites_study.BATCH} | 100 | 0.200 (0.100 to 0.300) | 0.100 (0.000 to 0.200) |" in shown[2]
    assert shown[4].startswith(f"| {sprites_study.BATCH}, mean (95 % over seeds) | | 0.205 (0.141 to 0.269)")
    (picked,) = (line for line in shown if line.startswith(f"| {sprites_study.PICKED}"))
    assert "| 101 | 0.410 (" in picked
    assert sum(line.startswith("| published on dSprites") for line in shown) == 4
    assert sum(line.startswith("| baseline: ") for line in shown) == 1
    assert f"| FactorVAE, {sprites_study.regularised(100)} | 0.203 | 0.405 |" in shown


def test_sprites_are_trained_by_every_arm_and_the_regulariser_acts_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sprites_study, "_MARKS", (sprites_study.REGULARISED_FROM, 1.0))
    monkeypatch.setattr(results.evaluation, "evaluate", lambda *_, **__: scored("", 0, 0, 0.5)["scores"])
    settings = ("data.count=2400", "network.width=0.125", "training.batch_size=4")
    run("sprites", Options(out=tmp_path, seed=7, seeds=2, steps=20, settings=settings))
    result = json.loads((tmp_path / "sprites.json").read_text())
    assert len(result["rows"]) == (3 * 2 - 1) * 2
    assert result["picked"]["seed"] in (7, 8)
    told = capsys.readouterr()
    assert "published on dSprites" in told.out and "| mean over seeds | step 18 |" in told.out
    assert "from its start" not in told.err
    kept = {
        arm: configuration.read(tmp_path / arm / "seed-7" / "config.toml").objective
        for arm in sprites_study.arms(20)
    }
    assert [one.contrastive_weight.points[0][0] for one in kept.values()] == [10**9, 10**9, 18]
    ends = {
        arm: InfoGAN.from_pretrained(tmp_path / arm / "seed-7").generator.output.weight
        for arm in sprites_study.arms(20)
    }
    assert not torch.equal(ends[sprites_study.SPECTRAL], ends[sprites_study.regularised(20)])
    # A mark that was missed cannot be gone back to: it is left out, and the curve says of how many it is.
    results.row_path(tmp_path, sprites_study.BATCH, 7, 18).unlink()
    run("sprites", Options(out=tmp_path, seed=7, seeds=2, steps=20, settings=settings))
    told = capsys.readouterr()
    assert "batch norm in D, seed 7: was trained past step 18" in told.err
    assert "| FactorVAE, batch norm in D | 0.500 (1) | 0.500 |" in told.out
    assert "| mean over seeds (in brackets: of how many" in told.out
    # So is a run that the regularised one would have begun from: it is trained from its own start, then.
    shutil.rmtree(tmp_path / sprites_study.regularised(20) / "seed-7")
    results.row_path(tmp_path, sprites_study.regularised(20), 7, 20).unlink()
    run("sprites", Options(out=tmp_path, seed=7, seeds=1, steps=20, settings=settings))
    assert "is trained from its start" in capsys.readouterr().err


@pytest.mark.parametrize(("steps", "count", "message"), [(9, 2_400, "20 or more"), (20, 400, "test images")])
def test_sprites_refuse_what_could_not_be_measured_before_they_train(
    steps: int, count: int, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        run("sprites", Options(out=tmp_path / "run", steps=steps, settings=(f"data.count={count}",)))
    assert not (tmp_path / "run").exists()


def test_the_regularised_run_of_sprites_is_that_from_its_own_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shares its first steps with the run without, and must be as if it had been trained alone."""
    monkeypatch.setattr(sprites_study, "_picked", lambda *_: None)
    monkeypatch.setattr(sprites_study, "_MARKS", (sprites_study.REGULARISED_FROM, 1.0))
    monkeypatch.setattr(results.evaluation, "evaluate", lambda *_, **__: scored("", 0, 0, 0.5)["scores"])
    settings = ("data.count=2400", "network.width=0.125", "training.batch_size=4")
    run("sprites", Options(out=tmp_path / "shared", seed=7, seeds=1, steps=20, settings=settings))
    shared = tmp_path / "shared" / sprites_study.regularised(20) / "seed-7"
    begun = [
        *settings,
        "training.seed=7",
        "objective.contrastive_weight=[[18, 0.0], [18, 2.0]]",
        "training.steps=20",
    ]
    alone = api.train("sprites", recipe="cr", settings=parse_assignments(begun), out=tmp_path / "alone")
    theirs = InfoGAN.from_pretrained(shared).state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in alone.state_dict().items())


# --- worked examples -------------------------------------------------------------------------------------


def test_every_metric_gives_on_its_example_what_theory_says() -> None:
    found = [
        *worked_examples.of_clusters(),
        *worked_examples.of_information(),
        *worked_examples.of_features(),
    ]
    assert len(found) > 20
    for one in found:
        assert one.measured == pytest.approx(one.theory, abs=0.03, rel=0.02), one


def test_the_page_of_examples_shows_every_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(worked_examples, "IMAGES", 200)
    run("worked-examples", Options(out=tmp_path))
    result = json.loads((tmp_path / "worked-examples.json").read_text())
    shown = capsys.readouterr().out
    for name in SCORES:
        assert any(key.partition(".")[0] == name for key in result["disentanglement"]["the factors"])
        assert f"| {name}" in shown
