"""The counts and conclusions of the benchmarks, without timing."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks import bench, data_size, gpu, operations, pictures, preparing, products, to_error, worker
from benchmarks.textbook import CATEGORIES, CONTINUOUS, Textbook, information_loss
from infogan import data, presets, recipes
from infogan.config import Config
from infogan.model import InfoGAN


def run(images: float, per_flop: float = 1.0, gflops: float = 100.0) -> dict[str, float]:
    return {"images_per_second": images, "images_per_flop": per_flop, "matrix_gflops": gflops}


def parameters(*networks: nn.Module) -> int:
    return sum(parameter.numel() for network in networks for parameter in network.parameters())


# --- operations ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mnist() -> InfoGAN:
    return InfoGAN(presets.load("mnist"))


def test_layers_of_table_1(mnist: InfoGAN) -> None:
    counted = operations.count(mnist)
    assert counted.generator == (74 * 1024, 1024 * 6272, 16 * 128 * 64 * 7 * 7, 16 * 64 * 1 * 14 * 14)
    assert counted.trunk == (16 * 1 * 64 * 14 * 14, 16 * 64 * 128 * 7 * 7, 6272 * 1024)
    assert counted.discriminator == (1024,)
    assert counted.recognition == (1024 * 128, 128 * 14)


def test_a_step_on_mnist(mnist: InfoGAN) -> None:
    assert operations.step_operations(operations.count(mnist)) == 157_047_552


def test_a_step_is_the_sum_of_its_passes() -> None:
    networks = operations.Networks((1, 10), (100, 1_000), (10_000,), (100_000,))
    g, t, d, q = 11, 1_100, 10_000, 100_000
    forward = g + 2 * t + 2 * d + q
    to_inputs = 2 * (t - 100) + 2 * d + q
    d_step = forward + (2 * t + 2 * d + q) + to_inputs
    g_step = (g + t + d + q) + (t + d + q) + g + (g - 1)
    assert operations.step_operations(networks) == d_step + g_step
    assert d_step + g_step == 4 * g - 1 + 8 * t - 2 * 100 + 8 * d + 5 * q


def test_a_transposed_convolution_costs_as_much_as_the_convolution() -> None:
    down, up = nn.Conv2d(3, 5, 4, 2, padding=1), nn.ConvTranspose2d(5, 3, 4, 2, padding=1)
    small, large = torch.zeros(1, 5, 4, 4), torch.zeros(1, 3, 8, 8)
    assert operations._layers(down, large) == operations._layers(up, small) == (16 * 3 * 5 * 4 * 4,)


def test_counting_does_not_change_the_model(tiny_config: Config) -> None:
    model = InfoGAN(tiny_config)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    operations.count(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("batch", [1, 128])
def test_the_products_of_a_step_are_its_operations(mnist: InfoGAN, batch: int) -> None:
    needed = products.step_products(mnist, batch)
    assert products.multiply_adds(needed) == batch * operations.step_operations(operations.count(mnist))
    # The trunk's last layer: real and generated images forward, and for both gradients; then generated ones.
    assert needed[2 * batch, 6272, 1024] >= 1
    assert needed[6272, 2 * batch, 1024] == 1


def test_a_plain_step_uses_torchs_own_layers_and_restores_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    from infogan.networks import layers

    used: list[bool] = []
    on_cpu = layers._on_cpu
    monkeypatch.setattr(layers, "_on_cpu", lambda *given: used.append(True) or on_cpu(*given))
    step = worker.plain_step(lambda: used.append(layers._on_cpu(None, None)))  # type: ignore[arg-type]
    step()
    assert used == [False]
    assert layers._on_cpu is not on_cpu  # restored: it counts again


# --- the textbook loop -----------------------------------------------------------------------------------


def test_the_textbook_networks_are_ours(mnist: InfoGAN) -> None:
    loop = Textbook()
    assert parameters(loop.generator) == parameters(mnist.generator) == 6_652_481
    ours = (mnist.trunk, mnist.discriminator, mnist.recognition)
    assert parameters(loop.trunk, loop.discriminator, loop.recognition) == parameters(*ours) == 6_692_431


def test_a_textbook_step_moves_every_weight() -> None:
    torch.manual_seed(0)
    loop = Textbook(4)
    networks = nn.ModuleList([loop.generator, loop.trunk, loop.discriminator, loop.recognition])
    before = [parameter.detach().clone() for parameter in networks.parameters()]
    loop.step(torch.rand(4, 1, 28, 28))
    assert not any(torch.equal(a, b) for a, b in zip(before, networks.parameters(), strict=True))
    assert all(bool(torch.isfinite(parameter).all()) for parameter in networks.parameters())


def test_the_textbook_objective_is_ours(mnist: InfoGAN) -> None:
    from infogan import objective

    draw = torch.Generator().manual_seed(0)
    raw = torch.randn(8, CATEGORIES + 2 * CONTINUOUS, generator=draw)
    category = torch.randint(CATEGORIES, (8,), generator=draw)
    continuous = torch.rand(8, CONTINUOUS, generator=draw) * 2 - 1
    means, log_stds = raw[:, 10:12], raw[:, 12:14]

    def gradient(reorder: Tensor, value: Tensor) -> Tensor:
        return torch.autograd.grad(value, reorder)[0]

    theirs = raw.clone().requires_grad_()
    loss = information_loss((theirs[:, :10], theirs[:, 10:12], theirs[:, 12:14]), category, continuous)
    codes = {
        "digit": nn.functional.one_hot(category, CATEGORIES).float(),
        "rotation": continuous[:, :1],
        "width": continuous[:, 1:],
    }
    ours = torch.cat([raw[:, :10], means[:, :1], log_stds[:, :1], means[:, 1:], log_stds[:, 1:]], 1)
    ours.requires_grad_()
    bounds = objective.mutual_information_bound(mnist.latents, ours, codes)
    information = objective.weighted_information(bounds, mnist.config.info_weights())
    back = gradient(ours, -information)[:, [*range(10), 10, 12, 11, 13]]
    assert torch.allclose(gradient(theirs, loss), back, atol=1e-6)


def test_the_loader_returns_the_stored_images() -> None:
    digits = pictures.digits()
    assert digits.shape == (1_797, 28, 28) and digits.dtype == np.uint8
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(pictures.png(digits[3])))), digits[3])
    real = next(Textbook(4).batches())
    assert real.shape == (4, 1, 28, 28) and real.dtype == torch.float32 and real.is_contiguous()
    assert real.min() >= 0 and 0.9 < real.max() <= 1
    assert len(pictures.repeated(len(digits))) == 60_000


# --- conclusions -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_measures_in_turns() -> None:
    steps = []
    measured = worker.measure(lambda: steps.append(1), turns=2, steps_a_turn=3)
    assert len(steps) == worker.WARM_UP + 2 * 3
    assert set(measured) == {"images_per_second", "matrix_gflops", "images_per_flop"}
    assert json.dumps(measured)


def test_targets_apply_to_medians() -> None:
    assert bench.with_target("matrix_rate", [0.5, 0.65, 0.9]) == {
        "median": 0.65, "min": 0.5, "max": 0.9, "target": ">= 0.65", "passed": True
    }  # fmt: skip
    assert not bench.with_target("textbook", [1.99])["passed"]
    assert bench.with_target("import", [0.1, 0.15])["passed"]
    assert not bench.with_target("help", [0.31])["passed"]


def test_ratios_are_computed_for_each_round() -> None:
    runs = {
        ("float32", 2): [run(200, per_flop=2e-9), run(100, per_flop=3e-9), run(300, per_flop=4e-9)],
        ("textbook", 2): [run(100), run(100), run(100)],
        ("float32", 1): [run(120, gflops=50)],
    }
    summary = bench.summarise(runs, [1, 2], "float32", 100_000_000, False)
    assert summary["ratios"]["textbook"] | {"target": ""} == {
        "median": 2.0, "min": 1.0, "max": 3.0, "target": "", "passed": True
    }  # fmt: skip
    assert summary["ratios"]["matrix_rate"]["median"] == pytest.approx(0.6)
    assert summary["matrix_gflops"] == {"1": 50.0, "2": 100.0}
    assert summary["images_per_second"] == {"float32": {"1": 120.0, "2": 200.0}, "textbook": {"2": 100.0}}
    assert "no bfloat16 arithmetic" in summary["ratios"]["precision"]["not_measured"]


def test_bfloat16_is_compared_where_it_was_chosen() -> None:
    runs = {("float32", 1): [run(100)], ("bfloat16", 1): [run(190)], ("textbook", 1): [run(50)]}
    summary = bench.summarise(runs, [1], "bfloat16", 1, matrix_units=True)
    assert summary["ratios"]["precision"]["median"] == 1.9
    assert not summary["ratios"]["precision"]["passed"]
    assert summary["auto_precision"] == "bfloat16"


def test_vector_units_alone_have_no_target() -> None:
    runs = {("float32", 1): [run(100)], ("bfloat16", 1): [run(150)], ("textbook", 1): [run(50)]}
    summary = bench.summarise(runs, [1], "bfloat16", 1, matrix_units=False)
    assert summary["ratios"]["precision"]["median"] == 1.5
    assert "passed" not in summary["ratios"]["precision"]
    line = next(line for line in bench.table({"training": summary}).splitlines() if "precision" in line)
    assert "1.500" in line and "none without matrix units" in line


@pytest.mark.parametrize(("chosen", "count"), [("float32", 3), ("bfloat16", 5)])
def test_every_round_has_its_pairs(chosen: str, count: int) -> None:
    first = bench._order([1, 2], chosen, singles=True)
    assert len(first) == len(set(first)) == count
    assert [what for what, threads in first if threads == 2][-1] == "textbook"
    assert all(threads == 2 for _, threads in bench._order([1, 2], chosen, singles=False))


def test_a_single_part_writes_no_results(monkeypatch, capsys, tmp_path: Path) -> None:
    times = iter([0.01, 0.01, 0.01, *[0.02, 0.03, 0.42] * 5])
    monkeypatch.setattr(bench, "_seconds", lambda command: next(times))
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results.json")
    assert bench.main(["--only", "start-up", "--quick"]) == 1  # help is over its target
    shown = capsys.readouterr().out
    assert "MISSED" in shown and "reached" in shown
    assert not bench.RESULTS.exists()


def test_results_are_written(monkeypatch, capsys, tmp_path: Path) -> None:
    training = bench.summarise(
        {("float32", 1): [run(100, per_flop=1.0)], ("textbook", 1): [run(50)]}, [1], "float32", 1, False
    )
    monkeypatch.setattr(bench, "measure_training", lambda rounds, turns: training)
    monkeypatch.setattr(bench, "measure_recipe", lambda rounds, turns: {})
    monkeypatch.setattr(bench, "measure_error", lambda rounds, turns, mnist: {"not_measured": "no MNIST"})
    monkeypatch.setattr(bench, "measure_data", lambda *_: {})
    monkeypatch.setattr(bench, "_seconds", lambda command: 0.02)
    out = tmp_path / "results.json"
    assert bench.main(["--out", str(out)]) == 0
    results = json.loads(out.read_text())
    assert results["machine"]["processor"] and results["date"]
    assert isinstance(results["machine"]["multiplies_bfloat16"], bool)
    assert results["training"]["ratios"]["textbook"]["passed"]
    assert results["start_up"]["import"]["median"] == 0
    assert "not measured" not in capsys.readouterr().err


# --- time to an error ------------------------------------------------------------------------------------


def test_training_ends_with_the_evaluation_that_reaches_the_error() -> None:
    config = recipes.find("robust").apply(presets.load("digits"))
    config = config.model_copy(update={"network": config.network.model_copy(update={"width": 0.125})})
    dataset = data.load(config.data)
    found = to_error.reach(config, dataset, error=0.95, every=1, max_steps=5)
    assert found["steps"] == 1
    assert 0 < found["seconds_before"] < found["seconds"]
    missed = to_error.reach(config, dataset, error=0.0, every=1, max_steps=2)
    assert missed["steps"] is None
    assert missed["error"] > 0


def test_what_a_recipe_learns_before_its_first_step_counts() -> None:
    config = recipes.find("anchored-categories").apply(presets.load("digits"))
    config = config.replace(network={"width": 0.125})
    found = to_error.reach(config, data.load(config.data), error=0.95, every=1, max_steps=5)
    assert found["steps"] is not None
    assert 0 < found["seconds_before"] < found["seconds"]


def answers(steps: int | None) -> Callable[..., dict[str, Any]]:
    def answer(module: str, threads: int, arguments: Sequence[str]) -> dict[str, Any]:
        if module == "benchmarks.to_error":
            seconds = 24.0 if "--recipe=anchored-categories" in arguments else 60.0
            return {"seed": 0, "steps": steps, "seconds": seconds, "seconds_before": 9.0, "error": 0.04}
        return {"images_per_second": 500.0}

    return answer


def test_the_time_to_an_error_is_compared_with_the_recipe_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_process", answers(300))
    found = bench.measure_error(2, 4, None)
    assert found["reached"]
    assert found["paper_epochs"]["median"] == 60 * 500 / 60_000
    assert found["ratio"]["median"] == 24 / 60 and found["ratio"]["passed"]
    assert "robust, seed 0: 300 steps, 4.00% after 60 s" in bench.table({"error": found})


def test_an_error_that_is_not_reached_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_process", answers(None))
    assert "MISSED" in bench.table({"error": bench.measure_error(1, 4, None)})
    assert bench.main(["--only", "error", "--quick"]) == 1


def test_without_mnist_the_error_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        bench, "_process", lambda *_: {"not_measured": "no MNIST; try: make bench MNIST=FOLDER"}
    )
    found = bench.measure_error(1, 4, None)
    assert "make bench MNIST=FOLDER" in bench.table({"error": found})
    assert bench.main(["--only", "error", "--quick"]) == 0


# --- data ------------------------------------------------------------------------------------------------


def test_preprocessing_is_compared_with_decoding_of_the_same_files(tmp_path: Path) -> None:
    preparing.write_pictures(tmp_path, 3)
    with Image.open(tmp_path / "000002.jpg") as picture:
        assert picture.size == (178, 218)
    assert preparing.over_bare_decoding(20) > 0.5  # nothing is prepared in less than its decoding takes


@pytest.mark.slow
def test_waiting_is_a_share_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFOGAN_CACHE", "")  # which the measurement sets to a place of its own
    assert 0 < preparing.share_of_waiting(1) < 1


def test_a_measurement_of_memory_is_completed_after_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def peak_of(command: Sequence[str], log: Path) -> dict[str, float]:
        assert "prepare" in command or not (tmp_path / "images.npy").exists()
        if "train" in command and "train" not in ran:
            ran.append("train")
            raise RuntimeError("killed")
        ran.append(
            next(word for word in command if word in {"prepare", "first-step", "train", "evaluate", "encode"})
        )
        (tmp_path / "prepared").mkdir(exist_ok=True)
        log.write_text("first step after 1.50 s\n")
        return {"seconds": 1.0, "anonymous_gb": 0.1}

    monkeypatch.setattr(data_size, "peak_of", peak_of)
    monkeypatch.setenv("INFOGAN_CACHE", "")  # which the measurement sets to a place of its own
    with pytest.raises(RuntimeError, match="killed"):
        data_size.measure_memory(tmp_path, 10, 5, 0.25)
    measured = data_size.measure_memory(tmp_path, 10, 5, 0.25)
    assert ran == ["prepare", "first-step", "train", "train", "evaluate", "encode"]
    assert measured["first step"]["first_step_seconds"] == 1.5
    with pytest.raises(SystemExit, match="of 10 images"):
        data_size.measure_memory(tmp_path, 20, 5, 0.25)


# --- the GPU ---------------------------------------------------------------------------------------------


@pytest.mark.long
def test_every_part_of_the_benchmark_on_a_gpu_runs_at_a_tiny_size(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    assert gpu.main(["--cpu-smoke", "--out", str(out)]) == 0
    parts = json.loads(out.read_text())["parts"]
    assert len([name for name in parts if name.startswith("training: ")]) == len(gpu.TRAININGS)
    for name, part in parts.items():
        assert "failed" not in part, name
        if name.startswith("training: "):
            assert part["captured"]["steps_per_second"] > 0 and "share_of_matrix_rate" in part
        if name.startswith("equality: "):
            assert {value for way in part["largest_difference"].values() for value in way.values()} == {0.0}


def fail() -> dict[str, Any]:
    raise RuntimeError("no memory")


def test_a_part_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    measured = [("first", fail), ("second", lambda: {"value": 1.23456}), ("other", fail)]
    monkeypatch.setattr(gpu, "parts", lambda setup: measured)
    setup = gpu.Setup(torch.device("cpu"))
    assert gpu.names_of(setup, ["first", "second"]) == ["first", "second"]
    assert gpu.measure(setup, ["first", "second"], lines.append) == 0
    machine, first, second = map(json.loads, lines)
    assert machine["machine"]["torch"] == torch.__version__
    assert first["part"] == "first" and first["result"]["failed"] == "RuntimeError: no memory"
    assert second["part"] == "second" and second["result"]["value"] == 1.235


def test_an_error_that_leaves_the_gpu_unusable_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(gpu, "parts", lambda setup: [("first", fail), ("second", fail)])
    monkeypatch.setattr(gpu, "_usable", lambda device: False)
    assert gpu.measure(gpu.Setup(torch.device("cpu")), ["first", "second"], lines.append) != 0
    assert [json.loads(line).get("part") for line in lines] == [None, "first"]


def test_no_part_begins_after_the_deadline() -> None:
    lines: list[str] = []
    setup = gpu.Setup(torch.device("cpu"), deadline=0.0)
    gpu.measure(setup, gpu.names_of(setup, []), lines.append)
    parts = {entry["part"]: entry["result"] for entry in map(json.loads, lines[1:])}
    assert parts and all(part == {"not_measured": "no time was left"} for part in parts.values())
    assert "no time was left" in gpu.table({"machine": gpu.machine(setup), "parts": parts})


PROCESS = """
import json, os, sys, time
for name in sys.argv[sys.argv.index("--parts") + 1:]:
    if name == "kills":
        os.kill(os.getpid(), 9)
    if name == "hangs":
        time.sleep(600)
    result = {"failed": "an error"} if name == "breaks" else {"process": os.getpid()}
    print(json.dumps({"part": name, "result": result}), flush=True)
    if name == "breaks":
        sys.exit(3)
"""


def test_a_process_that_ends_or_hangs_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_STARTS", 5.0)
    out = tmp_path / "gpu.json"
    command = [sys.executable, "-c", PROCESS]
    supervisor = gpu.Supervisor(command, out, time.perf_counter() + 600, limit=0.5)
    parts = supervisor.run(["a", "kills", "b", "breaks", "c", "hangs", "d"])["parts"]
    assert list(parts) == ["a", "kills", "b", "breaks", "c", "hangs", "d"]
    assert parts["kills"] == {"failed": "the process ended with code -9"}
    assert parts["breaks"] == {"failed": "an error"}
    assert "no result within" in parts["hangs"]["failed"]
    assert len({parts[name]["process"] for name in "abcd"}) == 4
    assert json.loads(out.read_text())["parts"] == parts
