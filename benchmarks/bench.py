"""All measurements in turn, what they say of the targets, and the file that keeps them.

Every speed is a ratio to something measured in the same run on the same machine: to the machine's own
matrix product (matrix_rate.py), to a frozen textbook loop (textbook.py), to the bare interpreter. Absolute
numbers stand beside them for comparison with other days and machines; no target rests on them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import operations

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results.json"
PARTS = ("training", "recipe", "error", "data", "start-up")
TARGETS = {
    "matrix_rate": (">=", 0.65),
    "textbook": (">=", 1.8),
    "precision": (">=", 2.0),
    "robust_time": ("<=", 1.6),
    "prepare": ("<=", 1.5),
    "waiting": ("<=", 0.02),
    "help": ("<=", 0.3),
    "import": ("<=", 0.15),
}
MNIST_IMAGES = 60_000
_QUIET = 0.5  # processes that ran on average in the minute before
COMMANDS = {
    "bare": ("-c", "pass"),
    "import": ("-c", "import infogan"),
    "help": ("-m", "infogan", "--help"),
}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and greatest."""
    middle = statistics.median(values)
    return {
        name: _short(value)
        for name, value in zip(("median", "min", "max"), (middle, min(values), max(values)), strict=True)
    }


def judged(name: str, values: Sequence[float]) -> dict[str, Any]:
    """The spread of a ratio or a time beside its target; the median decides."""
    sign, limit = TARGETS[name]
    middle = statistics.median(values)
    passed = middle >= limit if sign == ">=" else middle <= limit
    return {**spread(values), "target": f"{sign} {limit}", "passed": passed}


# --- training --------------------------------------------------------------------------------------------


def measure_training(rounds: int, turns: int) -> dict[str, Any]:
    """Images a second of ours and of the textbook loop in turn, and the ratios (a), (b) and (c)."""
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
    """Ratios per round and their spread.

    Args:
        runs: by what ran ("float32", "bfloat16", "textbook") and threads: what worker.py measured in each
            round.
        threads: in rising order; targets hold for the last.
        chosen: the precision that "auto" means here.
        multiply_adds: of a step, for each image.
        matrix_units: whether the machine has such for that precision.
    """
    most = threads[-1]
    ours, textbook = runs["float32", most], runs["textbook", most]
    flops = operations.FLOPS * multiply_adds
    ratios = {
        "matrix_rate": judged("matrix_rate", [run["images_per_flop"] * flops for run in ours]),
        "textbook": judged("textbook", _over(ours, textbook)),
    }
    if chosen == "float32":
        unmeasured = 'precision = "auto" is float32 here: nothing multiplies bfloat16'
        ratios["precision"] = {"not_measured": unmeasured}
    else:
        times = _over(runs[chosen, most], ours)
        # Vector units alone are no reason to expect twice the speed.
        without = {**spread(times), "target": "none without matrix units"}
        ratios["precision"] = judged("precision", times) if matrix_units else without
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


def operations_of_a_step() -> int:
    """Multiply-adds of one step of the preset `mnist` for each image."""
    from infogan import presets
    from infogan.model import InfoGAN

    return operations.step_operations(operations.count(InfoGAN(presets.load("mnist"))))


def _order(threads: Sequence[int], chosen: str, singles: bool) -> list[tuple[str, int]]:
    """What runs in a round: the pairs of the ratios beside each other; fewer threads in the first alone."""
    kinds = list(dict.fromkeys(("float32", chosen)))
    order = [(what, threads[-1]) for what in (*kinds, "textbook")]
    return order + [(what, count) for what in kinds for count in threads[:-1] if singles]


def _worker(what: str, threads: int, turns: int, settings: Sequence[str] = ()) -> dict[str, float]:
    kind = ["textbook"] if what == "textbook" else ["infogan", "--precision", what, *settings]
    return _process("benchmarks.worker", threads, [*kind, f"--turns={turns}"])


def _process(module: str, threads: int, arguments: Sequence[str]) -> dict[str, Any]:
    """What a measurement prints that runs in a process of its own."""
    command = [sys.executable, "-m", module, f"--threads={threads}", *arguments]
    count = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    ran = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **count}, check=True, stdout=subprocess.PIPE, text=True
    )
    measured: dict[str, Any] = json.loads(ran.stdout)
    return measured


def _over(above: Sequence[Mapping[str, float]], below: Sequence[Mapping[str, float]]) -> list[float]:
    """Ratios of images a second, round by round."""
    return [a["images_per_second"] / b["images_per_second"] for a, b in zip(above, below, strict=True)]


def _median(runs: Sequence[Mapping[str, float]], key: str) -> float:
    return _short(statistics.median(run[key] for run in runs))


# --- what the recipe `robust` costs ----------------------------------------------------------------------


def measure_recipe(rounds: int, turns: int) -> dict[str, Any]:
    """Seconds of a step of `robust` over those of a step of `paper`, in turn, at half the paper's width.

    At float32 and, where that is another, at the precision that training takes here.
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
        ratios[f"robust, {precision}"] = judged("robust_time", times)
    return {
        "threads": threads,
        "images_per_second": {
            f"{recipe}, {precision}": {str(threads): _short(statistics.median(values))}
            for (recipe, precision), values in speeds.items()
        },
        "ratios": ratios,
    }


def measure_error(rounds: int, turns: int, mnist: Path | None) -> dict[str, Any]:
    """Time until `robust` errs in 5 of 100 of MNIST's test images, a seed a round, beside the paper's speed.

    Returns:
        `rounds`, as to_error.py and the worker measured them, and `paper_epochs`: how often the paper's
        recipe at its own width would have seen all training images in that time.
    """
    threads = min(2, _usable_cores())
    where = [] if mnist is None else ["--data", str(mnist)]
    found: list[dict[str, Any]] = []
    for seed in range(rounds):
        _say(f"round {seed + 1} of {rounds}: to an error of 5 %, {threads} threads")
        measured = _process("benchmarks.to_error", threads, [*where, f"--seed={seed}"])
        if "not_measured" in measured:
            return measured
        paper = _worker("float32", threads, turns)["images_per_second"]
        found.append({**measured, "paper_images_per_second": _short(paper)})
    reached = all(entry["steps"] is not None for entry in found)
    result = {"threads": threads, "rounds": found, "reached": reached}
    if not reached:
        return result
    seconds = [entry["seconds"] for entry in found]
    epochs = [entry["seconds"] * entry["paper_images_per_second"] / MNIST_IMAGES for entry in found]
    return {**result, "paper_epochs": spread(epochs), "seconds": spread(seconds)}


# --- starting up -----------------------------------------------------------------------------------------


def measure_start_up(rounds: int) -> dict[str, Any]:
    """Seconds over the bare interpreter, in turn with it."""
    for command in COMMANDS.values():  # bytecode and files are in the caches from here on
        _seconds(command)
    _say(f"starting up, {rounds} rounds")
    seconds = [{name: _seconds(command) for name, command in COMMANDS.items()} for _ in range(rounds)]
    return {
        "bare": spread([turn["bare"] for turn in seconds]),
        **{
            name: judged(name, [turn[name] - turn["bare"] for turn in seconds]) for name in ("import", "help")
        },
    }


def _seconds(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure_data(rounds: int, pictures: int, steps: int) -> dict[str, Any]:
    """Preparing over bare decoding, and the share of a step that waits for images."""
    from benchmarks import preparing

    _say(f"preparing {pictures} pictures, and {steps} steps on a memory map, {rounds} times")
    return {
        "prepare": judged("prepare", [preparing.over_bare_decoding(pictures) for _ in range(rounds)]),
        "waiting": judged("waiting", [preparing.share_of_waiting(steps) for _ in range(rounds)]),
    }


# --- machine, table and file -----------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import torch

    from infogan.runs.directory import environment
    from infogan.training import engine

    return {**environment(), "multiplies_bfloat16": engine.multiplies_bfloat16(torch.device("cpu"))}


def table(results: Mapping[str, Any]) -> str:
    """The figures that have a target, a line each, and images a second below."""
    judgements = {
        **results.get("training", {}).get("ratios", {}),
        **results.get("recipe", {}).get("ratios", {}),
        **results.get("data", {}),
        **results.get("start_up", {}),
    }
    lines = [f"{'':18}{'median':>9}{'min':>9}{'max':>9}  target"]
    for name, value in judgements.items():
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
    for entry in error["rounds"]:
        after = f"after {entry['seconds']:.0f} s ({error['threads']} threads)"
        steps = f"{entry['steps']} steps" if entry["steps"] is not None else "MISSED"
        lines.append(f"{name}seed {entry['seed']}: {steps}, {entry['error']:.2%} {after}")
    if error["reached"]:
        lines.append(f"in that time the paper's recipe sees {error['paper_epochs']['median']:.2f} epochs")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes; 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: about a minute")
    parser.add_argument(
        "--only", choices=PARTS, help="one part; then nothing is written unless --out is given"
    )
    parser.add_argument(
        "--mnist", type=Path, help="folder with MNIST's files; default: where infogan keeps it"
    )
    parser.add_argument("--out", type=Path, help="default: benchmarks/results.json; --quick writes none")
    given = parser.parse_args(arguments)
    load = round(os.getloadavg()[0], 2)
    if load > _QUIET:
        _say(f"warning: {load} processes ran here in the last minute: figures hold for an idle machine")
    results: dict[str, Any] = {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": machine(),
        "load_before": load,
    }
    if given.only in (None, "training"):
        results["training"] = measure_training(*((1, 4) if given.quick else (3, 8)))
    if given.only in (None, "recipe"):
        results["recipe"] = measure_recipe(*((1, 4) if given.quick else (3, 8)))
    if given.only in (None, "error"):
        results["error"] = measure_error(*((1, 4) if given.quick else (3, 8)), given.mnist)
    if given.only in (None, "data"):
        results["data"] = measure_data(*((1, 300, 3) if given.quick else (3, 2_000, 10)))
    if given.only in (None, "start-up"):
        results["start_up"] = measure_start_up(5 if given.quick else 15)
    print(table(results))
    out = given.out or (RESULTS if given.only is None and not given.quick else None)
    if out is not None:
        out.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
        print(f"\nwritten: {out}")
    parts = [
        *results.get("training", {}).get("ratios", {}).values(),
        *results.get("recipe", {}).get("ratios", {}).values(),
        *results.get("data", {}).values(),
        *results.get("start_up", {}).values(),
    ]
    reached = results.get("error", {}).get("reached", True)
    return 0 if reached and all(part.get("passed", True) for part in parts) else 1


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
