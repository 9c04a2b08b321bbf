"""Runs all benchmarks, compares them with the targets and writes the results.

Every target is a ratio to a baseline measured in the same run on the same machine: the matrix product
(matrix_rate.py), a frozen textbook loop (textbook.py), or the Python interpreter. Absolute numbers are
recorded for comparison with other machines.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import operations

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results.json"
TARGETS = {
    "matrix_rate": (">=", 0.65),
    "textbook": (">=", 2.0),
    "over_plain": (">=", 1.0),
    "product_rate": (">=", 0.8),
    "precision": (">=", 2.0),
    "robust_time": ("<=", 1.6),
    "prepare": ("<=", 1.5),
    "time_to_error": ("<=", 0.5),
    "waiting": ("<=", 0.02),
    "help": ("<=", 0.3),
    "import": ("<=", 0.15),
}
MNIST_IMAGES = 60_000
TO_ERROR = ("robust", "anchored-categories")
"""The recipes whose times to an error of 5 % on MNIST are compared."""
_MAX_LOAD = 0.5  # mean number of running processes in the last minute
COMMANDS = {
    "bare": ("-c", "pass"),
    "import": ("-c", "import infogan"),
    "help": ("-m", "infogan", "--help"),
}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, minimum and maximum."""
    middle = statistics.median(values)
    return {
        name: _short(value)
        for name, value in zip(("median", "min", "max"), (middle, min(values), max(values)), strict=True)
    }


def with_target(name: str, values: Sequence[float]) -> dict[str, Any]:
    """Return the spread of a ratio or time, its target, and True as "passed" if the median reaches it."""
    sign, limit = TARGETS[name]
    middle = statistics.median(values)
    passed = middle >= limit if sign == ">=" else middle <= limit
    return {**spread(values), "target": f"{sign} {limit}", "passed": passed}


# --- training --------------------------------------------------------------------------------------------


def measure_training(rounds: int, turns: int) -> dict[str, Any]:
    """Measure images per second of infogan and of the textbook loop in turn, and their ratios."""
    import torch

    from infogan.training import engine

    threads = sorted({1, min(2, _usable_cores())})
    cpu = torch.device("cpu")
    chosen = engine.choose_precision("auto", cpu)
    runs: dict[tuple[str, int], list[dict[str, float]]] = {}
    for number in range(rounds):
        for what, count in _order(threads, chosen, singles=number == 0):
            _say(f"round {number + 1} of {rounds}: {what}, {count} threads")
            runs.setdefault((what, count), []).append(_worker(what, count, turns))
    return summarise(runs, threads, chosen, operations_of_a_step(), engine.has_matrix_units(cpu))


def summarise(
    runs: Mapping[tuple[str, int], Sequence[Mapping[str, float]]],
    threads: Sequence[int],
    chosen: str,
    multiply_adds: int,
    matrix_units: bool,
) -> dict[str, Any]:
    """Return the ratios of each round and their spread.

    Args:
        runs: measurements of worker.py for each round, by program ("float32", "bfloat16", "textbook") and
            number of threads.
        threads: in rising order; targets apply to the last.
        chosen: the precision that "auto" chooses on this machine.
        multiply_adds: of a step, per image.
        matrix_units: True if the machine has matrix units for that precision.
    """
    most = threads[-1]
    ours, textbook = runs["float32", most], runs["textbook", most]
    flops = operations.FLOPS * multiply_adds
    ratios = {
        "matrix_rate": with_target("matrix_rate", [run["images_per_flop"] * flops for run in ours]),
        "textbook": with_target("textbook", _over(ours, textbook)),
    }
    if chosen == "float32":
        unmeasured = 'precision = "auto" chooses float32: this machine has no bfloat16 arithmetic'
        ratios["precision"] = {"not_measured": unmeasured}
    else:
        times = _over(runs[chosen, most], ours)
        # Vector units alone do not double the speed.
        without = {**spread(times), "target": "none without matrix units"}
        ratios["precision"] = with_target("precision", times) if matrix_units else without
    speeds: dict[str, dict[str, float]] = {}
    for what, count in sorted(runs):
        speeds.setdefault(what, {})[str(count)] = _median(runs[what, count], "images_per_second")
    return {
        "threads": most,
        "multiply_adds_per_image": multiply_adds,
        "matrix_gflops": {str(count): _median(runs["float32", count], "matrix_gflops") for count in threads},
        "images_per_second": speeds,
        "auto_precision": chosen,
        "ratios": ratios,
    }


def measure_layers(rounds: int, turns: int) -> dict[str, Any]:
    """Measure a step relative to torch's own layers, and to the products of its layers, on one thread."""
    runs = []
    for number in range(rounds):
        _say(f"round {number + 1} of {rounds}: layers, 1 thread")
        runs.append(_process("benchmarks.worker", 1, ["layers", f"--turns={turns}"]))
    names = ("over_plain", "product_rate")
    return {"threads": 1, "ratios": {name: with_target(name, [run[name] for run in runs]) for name in names}}


def operations_of_a_step() -> int:
    """Return the multiply-adds of one step of the preset `mnist`, per image."""
    from infogan import presets
    from infogan.model import InfoGAN

    return operations.step_operations(operations.count(InfoGAN(presets.load("mnist"))))


def _order(threads: Sequence[int], chosen: str, singles: bool) -> list[tuple[str, int]]:
    """Return the measurements of one round; `singles` adds those with fewer threads."""
    precisions = list(dict.fromkeys(("float32", chosen)))
    order = [(what, threads[-1]) for what in (*precisions, "textbook")]
    return order + [(what, count) for what in precisions for count in threads[:-1] if singles]


def _worker(what: str, threads: int, turns: int, settings: Sequence[str] = ()) -> dict[str, float]:
    kind = ["textbook"] if what == "textbook" else ["infogan", "--precision", what, *settings]
    return _process("benchmarks.worker", threads, [*kind, f"--turns={turns}"])


def _process(module: str, threads: int, arguments: Sequence[str]) -> dict[str, Any]:
    """Run a measurement in its own process and return the JSON that it prints."""
    command = [sys.executable, "-m", module, f"--threads={threads}", *arguments]
    count = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    ran = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **count}, check=True, stdout=subprocess.PIPE, text=True
    )
    measured: dict[str, Any] = json.loads(ran.stdout)
    return measured


def _over(above: Sequence[Mapping[str, float]], below: Sequence[Mapping[str, float]]) -> list[float]:
    """Return the ratio of images per second for each round."""
    return [a["images_per_second"] / b["images_per_second"] for a, b in zip(above, below, strict=True)]


def _median(runs: Sequence[Mapping[str, float]], key: str) -> float:
    return _short(statistics.median(run[key] for run in runs))


# --- cost of the recipe `robust` -------------------------------------------------------------------------


def measure_recipe(rounds: int, turns: int) -> dict[str, Any]:
    """Measure the time of a step of `robust` relative to `paper`, in turn, at half the paper's width.

    Both run in float32 and in the precision that "auto" chooses, if it differs.
    """
    import torch

    from infogan.training import engine

    threads = min(2, _usable_cores())
    chosen = engine.choose_precision("auto", torch.device("cpu"))
    speeds: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds):
        for precision in dict.fromkeys(("float32", chosen)):
            for recipe in ("paper", "robust"):
                _say(f"round {number + 1} of {rounds}: {recipe}, {precision}, {threads} threads")
                run = _worker(precision, threads, turns, ("--recipe", recipe, "--width", "0.5"))
                speeds.setdefault((recipe, precision), []).append(run["images_per_second"])
    ratios = {}
    for precision in dict.fromkeys(precision for _, precision in speeds):
        times = [a / b for a, b in zip(speeds["paper", precision], speeds["robust", precision], strict=True)]
        ratios[f"robust, {precision}"] = with_target("robust_time", times)
    return {
        "threads": threads,
        "images_per_second": {
            f"{recipe}, {precision}": {str(threads): _short(statistics.median(values))}
            for (recipe, precision), values in speeds.items()
        },
        "ratios": ratios,
    }


def measure_error(rounds: int, turns: int, mnist: Path | None) -> dict[str, Any]:
    """Measure the time until recipes have an error of 5% on MNIST, with one seed per round.

    Returns:
        `rounds`, the measurements of to_error.py by recipe and of worker.py; `ratio`, the time of
        anchored-categories relative to `robust`; and `paper_epochs`, the number of epochs of the recipe
        `paper` at its own width in the time of `robust`.
    """
    threads = min(2, _usable_cores())
    source = [] if mnist is None else ["--data", str(mnist)]
    measurements: list[dict[str, Any]] = []
    for seed in range(rounds):
        entry: dict[str, Any] = {"seed": seed}
        for recipe in TO_ERROR:
            _say(f"round {seed + 1} of {rounds}: {recipe} to an error of 5 %, {threads} threads")
            arguments = [*source, f"--seed={seed}", f"--recipe={recipe}"]
            entry[recipe] = _process("benchmarks.to_error", threads, arguments)
            if "not_measured" in entry[recipe]:
                return dict(entry[recipe])
        paper = _worker("float32", threads, turns)["images_per_second"]
        measurements.append({**entry, "paper_images_per_second": _short(paper)})
    reached = all(entry[recipe]["steps"] is not None for entry in measurements for recipe in TO_ERROR)
    result = {"threads": threads, "rounds": measurements, "reached": reached}
    if not reached:
        return result
    robust, anchored = ([entry[recipe]["seconds"] for entry in measurements] for recipe in TO_ERROR)
    epochs = [entry["robust"]["seconds"] * entry["paper_images_per_second"] for entry in measurements]
    return {
        **result,
        "ratio": with_target("time_to_error", [a / r for a, r in zip(anchored, robust, strict=True)]),
        "paper_epochs": spread([images / MNIST_IMAGES for images in epochs]),
        "seconds": {"robust": spread(robust), "anchored-categories": spread(anchored)},
    }


# --- starting up -----------------------------------------------------------------------------------------


def measure_start_up(rounds: int) -> dict[str, Any]:
    """Measure the seconds of commands beyond those of the bare interpreter, in turn."""
    for command in COMMANDS.values():  # fill the caches of bytecode and files
        _seconds(command)
    _say(f"start-up time, {rounds} rounds")
    seconds = [{name: _seconds(command) for name, command in COMMANDS.items()} for _ in range(rounds)]
    return {
        "bare": spread([turn["bare"] for turn in seconds]),
        **{
            name: with_target(name, [turn[name] - turn["bare"] for turn in seconds])
            for name in ("import", "help")
        },
    }


def _seconds(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure_data(rounds: int, pictures: int, steps: int) -> dict[str, Any]:
    """Measure preprocessing relative to decoding, and the share of a step that waits for images."""
    from benchmarks import preparing

    _say(f"preprocessing {pictures} images, and {steps} steps on a memory map, {rounds} times")
    return {
        "prepare": with_target("prepare", [preparing.over_bare_decoding(pictures) for _ in range(rounds)]),
        "waiting": with_target("waiting", [preparing.share_of_waiting(steps) for _ in range(rounds)]),
    }


# --- machine, table and file -----------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """Return the machine and versions."""
    import torch

    from infogan.runs.directory import environment
    from infogan.training import engine

    return {**environment(), "multiplies_bfloat16": engine.multiplies_bfloat16(torch.device("cpu"))}


def _ratios(results: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **results.get("training", {}).get("ratios", {}),
        **results.get("layers", {}).get("ratios", {}),
        **results.get("recipe", {}).get("ratios", {}),
        **({"time_to_error": error["ratio"]} if "ratio" in (error := results.get("error", {})) else {}),
        **results.get("data", {}),
        **results.get("start_up", {}),
    }


def table(results: Mapping[str, Any]) -> str:
    """Return a line for each result with a target, and the images per second."""
    lines = [f"{'':18}{'median':>9}{'min':>9}{'max':>9}  target"]
    for name, value in _ratios(results).items():
        if "not_measured" in value:
            lines.append(f"{name:18}  {value['not_measured']}")
        elif "target" in value:
            verdict = {True: " reached", False: " MISSED", None: ""}[value.get("passed")]
            figures = "".join(f"{value[key]:>9.3f}" for key in ("median", "min", "max"))
            lines.append(f"{name:18}{figures}  {value['target']}{verdict}")
    if training := results.get("training"):
        lines.append("")
        for what, speeds in {
            **training["images_per_second"],
            "matrix GFLOP/s": training["matrix_gflops"],
        }.items():
            shown = ", ".join(f"{speed:,.1f} ({count} threads)" for count, speed in speeds.items())
            lines.append(f"{what:14} {shown}")
    return "\n".join([*lines, *_error_lines(results.get("error"))])


def _error_lines(error: Mapping[str, Any] | None) -> list[str]:
    if error is None:
        return []
    name = "5 % error       "
    if "not_measured" in error:
        return ["", name + error["not_measured"]]
    lines = [""]
    for entry, recipe in ((entry, recipe) for entry in error["rounds"] for recipe in TO_ERROR):
        found = entry[recipe]
        after = f"after {found['seconds']:.0f} s ({error['threads']} threads)"
        steps = f"{found['steps']} steps" if found["steps"] is not None else "MISSED"
        lines.append(f"{name}{recipe}, seed {entry['seed']}: {steps}, {found['error']:.2%} {after}")
    if error["reached"]:
        epochs = error["paper_epochs"]["median"]
        lines.append(f"in the time of robust, the recipe paper trains for {epochs:.2f} epochs")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks, print and write the results; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, about a minute")
    parser.add_argument(
        "--only", choices=_measurements(False, None), help="run one part; results are written only with --out"
    )
    parser.add_argument(
        "--mnist", type=Path, help="folder with the files of MNIST; default: infogan's own folder"
    )
    parser.add_argument("--out", type=Path, help="default: benchmarks/results.json, and no file with --quick")
    given = parser.parse_args(arguments)
    load = round(os.getloadavg()[0], 2)
    if load > _MAX_LOAD:
        _say(f"warning: the load average is {load}: results are valid only on an idle machine")
    results: dict[str, Any] = {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": machine(),
        "load_before": load,
    }
    out = given.out or (RESULTS if given.only is None and not given.quick else None)
    for name, measure in _measurements(given.quick, given.mnist).items():
        if given.only in (None, name):
            results[name.replace("-", "_")] = measure()
            if out is not None:  # after each part, so that a run that is cut off keeps the others
                out.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    print(table(results))
    if out is not None:
        print(f"\nwritten: {out}")
    reached = results.get("error", {}).get("reached", True)
    return 0 if reached and all(ratio.get("passed", True) for ratio in _ratios(results).values()) else 1


def _measurements(quick: bool, mnist: Path | None) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return the parts of the benchmark by name."""
    rounds, turns = (1, 4) if quick else (3, 8)
    return {
        "training": lambda: measure_training(rounds, turns),
        "layers": lambda: measure_layers(rounds, turns),
        "recipe": lambda: measure_recipe(rounds, turns),
        "error": lambda: measure_error(rounds, turns, mnist),
        "data": lambda: measure_data(*((1, 300, 3) if quick else (3, 2_000, 10))),
        "start-up": lambda: measure_start_up(5 if quick else 15),
    }


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
