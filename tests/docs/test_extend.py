"""The examples of docs/extend.md, each in a file of its own: train, stop, resume, evaluate and report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import infogan
import infogan.testing
from infogan import api
from infogan.data import SOURCES
from infogan.errors import UsageError
from infogan.evaluation.metric import METRICS
from infogan.networks import NETWORKS
from infogan.presets import PRESETS
from infogan.recipes import RECIPES
from infogan.runs import metrics_log
from infogan.training.terms import TERMS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extend.md"
EXAMPLES = dict(re.findall(r"<!-- example: (\w+) -->\n```python\n(.*?)```", PAGE.read_text(), flags=re.S))
REGISTRIES = {
    "source": SOURCES,
    "network": NETWORKS,
    "term": TERMS,
    "metric": METRICS,
    "preset": PRESETS,
    "recipe": RECIPES,
}
SMALL = {"training.batch_size": 16, "network.width": 0.125, "training.precision": "float32"}
USES = {
    "source": ("folder", {"data.source": "stripes"}),
    "network": ("digits", {"network.architecture": "perceptron"}),
    "term": ("digits", {}),
    "metric": ("digits", {}),
    "preset": ("digits-fine", {}),
    "recipe": ("digits", {}),
}


@pytest.fixture
def plugin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An example in a file; the registries are restored afterwards."""
    path = tmp_path / f"my_{request.param}.py"
    path.write_text(EXAMPLES[request.param])
    with ExitStack() as stack:
        for registry in REGISTRIES.values():
            stack.enter_context(registry.restored())
        yield request.param, path


def train(kind: str, path: Path, out: Path, steps: int) -> infogan.InfoGAN:
    source, settings = USES[kind]
    recipe = "slow" if kind == "recipe" else "paper"
    return infogan.train(
        source,
        recipe=recipe,
        plugins=[path],
        out=out,
        steps=steps,
        progress=False,
        settings=SMALL | settings,
    )


def test_the_page_has_an_example_for_each_kind() -> None:
    assert list(EXAMPLES) == list(REGISTRIES)


@pytest.mark.parametrize("plugin", REGISTRIES, indirect=True)
def test_an_example_trains_resumes_evaluates_and_reports(plugin: tuple[str, Path], tmp_path: Path) -> None:
    kind, path = plugin
    whole = train(kind, path, tmp_path / "whole", 4)
    train(kind, path, tmp_path / "run", 2)
    resumed = infogan.resume(tmp_path / "run", steps=4, plugins=[path], progress=False)
    for name, value in whole.state_dict().items():
        assert value.equal(resumed.state_dict()[name]), name
    only = ("darkest image",) if kind == "metric" else ("clustering", "known factors")
    known = [name for name in only if name in METRICS]
    scores = infogan.evaluate(resumed, only=known, samples=20)
    assert scores["steps"] == 4
    if kind == "metric":
        assert 0 <= scores["darkest"]["generated"] <= 255
    if kind == "term":
        (line,) = metrics_log.read(tmp_path / "run" / "metrics.jsonl")
        assert 0 <= line["terms"]["brightness"] <= 0.7


@pytest.mark.parametrize("plugin", ["source", "network", "term"], indirect=True)
def test_a_run_asks_for_the_plug_in_that_it_used(plugin: tuple[str, Path], tmp_path: Path) -> None:
    kind, path = plugin
    model = train(kind, path, tmp_path / "run", 1)
    assert list(model.config.plugins) == [path.stem]
    name = next(iter(REGISTRIES[kind].origins))
    with REGISTRIES[kind].restored():
        del REGISTRIES[kind].origins[name]  # as in a process that has not imported the file
        with pytest.raises(UsageError, match=f"uses the plug-in '{path.stem}', which is not loaded"):
            infogan.resume(tmp_path / "run", steps=2, progress=False)
    REGISTRIES[kind].origins[name] = REGISTRIES[kind].origins[name]._replace(sha256="0" * 64)
    with pytest.raises(UsageError, match="has changed"):
        infogan.resume(tmp_path / "run", steps=2, progress=False)


@pytest.mark.parametrize("plugin", ["source", "network", "term", "metric"], indirect=True)
def test_the_examples_pass_the_checks(plugin: tuple[str, Path]) -> None:
    kind, path = plugin
    infogan.load_plugin(path)
    checks = {
        "source": lambda: infogan.testing.check_source("stripes"),
        "network": lambda: infogan.testing.check_network("perceptron"),
        "term": lambda: infogan.testing.check_term("brightness"),
        "metric": lambda: infogan.testing.check_metric("darkest image"),
    }
    checks[kind]()


def test_functions_can_be_passed_in_python(tmp_path: Path) -> None:
    with NETWORKS.restored(), TERMS.restored():
        namespace: dict[str, object] = {"__name__": "my_module"}
        exec(EXAMPLES["network"].replace("@infogan", "# @infogan"), namespace)
        exec(EXAMPLES["term"], namespace)
        model = infogan.train(
            "digits",
            recipe="paper",
            model=namespace["perceptron"],
            terms=[namespace["brightness"]],
            steps=1,
            out=tmp_path / "run",
            progress=False,
            settings=SMALL,
        )
        assert model.config.network.architecture == "perceptron"
        assert list(model.config.objective.terms) == ["brightness"]


def test_a_plug_in_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        api.load_plugins([tmp_path / "none.py"])
    with pytest.raises(UsageError, match="there is no plug-in 'nonesuch'"):
        api.load_plugins(["nonesuch"])
    (tmp_path / "broken.py").write_text("import nonesuch_module")
    with pytest.raises(UsageError, match=r"broken\.py cannot be imported: ModuleNotFoundError"):
        api.load_plugins([tmp_path / "broken.py"])


@pytest.mark.parametrize("plugin", ["network"], indirect=True)
def test_networks_with_counters_are_averaged_and_frozen_layers_stay(
    plugin: tuple[str, Path], tmp_path: Path
) -> None:
    """Batch norm of torch counts its batches in an integer, which an average cannot interpolate."""
    _, path = plugin
    path.write_text(
        path.read_text().replace(
            "    return infogan.Networks(",
            "    hidden[0].weight.requires_grad_(False)\n    return infogan.Networks(",
        )
    )
    settings = SMALL | {"network.architecture": "perceptron", "training.ema_decay": 0.5}
    runs = [
        infogan.train(
            "digits",
            recipe="paper",
            plugins=[path],
            out=tmp_path / str(steps),
            steps=steps,
            progress=False,
            settings=settings,
        )
        for steps in (1, 3)
    ]
    first, last = (run.generator.get_submodule("module.0").get_parameter("weight") for run in runs)
    assert first.equal(last) and not last.requires_grad
    assert runs[1].ema is not None


def test_functions_keep_their_names_after_a_training(tmp_path: Path) -> None:
    infogan.train("digits", steps=1, out=tmp_path / "run", recipe="paper", progress=False, settings=SMALL)
    assert all(callable(getattr(infogan, name)) for name in ("report", "evaluate", "select", "discover"))
