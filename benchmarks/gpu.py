"""The speed of training on a GPU, in under six minutes: `python -m benchmarks.gpu --mnist FOLDER`.

Each training is measured with eager steps and with captured ones (`training.graph`), on random images that
are kept on the GPU. The results are written after every part, so that a run that is cut off keeps what it has
measured. A part that fails is recorded with its error, and the others continue: the parts run in a process of
their own, which is replaced when an error leaves the GPU unusable, when a part ends the process, and when it
takes longer than its limit. `--cpu-smoke` runs every part at a tiny size on the CPU, to test this script; its
figures mean nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks import to_error
from infogan import api, data
from infogan.config import Config
from infogan.model import InfoGAN
from infogan.training import engine
from infogan.training.engine import Precision
from infogan.training.trainer import METRICS_EVERY, Trainer

TRAININGS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "mnist paper": ("mnist", "paper", {}),
    "mnist robust": ("mnist", "robust", {}),
    "svhn": ("svhn", "robust", {}),
    "celeba": ("celeba", "robust", {}),
    "faces": ("faces-azimuth", "robust", {}),
    "chairs plain": ("chairs-width", "robust", {}),
    "chairs residual": ("chairs-rotation", "robust", {}),
    "sprites cr": ("sprites", "cr", {}),
    "sprites cr, regularized": ("sprites", "cr", {"objective.contrastive_weight": 2.0}),
}
"""Preset, recipe and settings of each training."""

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 90.0
"""Seconds after which a part is ended, beyond those that a new process needs to start."""

GRACE = 15.0
"""Seconds after the deadline in which a part may end."""

_STARTS = 60.0
_UNUSABLE = 3  # exit code of a process that can do nothing more on its GPU

SEEDS = 8
COUNTED_BATCH = 8
"""Images of a batch whose operations are counted."""
GOALS = {
    "mnist robust": 600,
    "sprites cr": 400,
    "svhn": 500,
    "celeba": 500,
    "faces": 500,
    "chairs residual": 120,
}
"""Steps per second that captured training should reach."""


@dataclass(frozen=True)
class Setup:
    """How all parts are measured.

    Attributes:
        device: the GPU; the CPU for the smoke test.
        seconds: of each measurement of a speed.
        images: number of random images.
        together: steps between two waits for the GPU; a training waits before each line of metrics.
        small: settings that make a training tiny, for the smoke test.
        compiled: measure networks that torch compiles, too.
        mnist: folder with the files of MNIST, if there is one.
        deadline: time.perf_counter() after which no part begins.
    """

    device: torch.device
    seconds: float = 2.0
    images: int = 10_000
    together: int = METRICS_EVERY
    small: Mapping[str, Any] = field(default_factory=dict)
    compiled: bool = False
    mnist: Path | None = None
    deadline: float = float("inf")

    @cached_property
    def precision(self) -> Precision:
        """The precision that "auto" chooses."""
        return engine.choose_precision("auto", self.device)

    @property
    def captured(self) -> dict[str, Any]:
        """Settings of a captured step; on a CPU, only its inputs are static."""
        return {"training.graph": True}


EAGER: dict[str, Any] = {"training.graph": False}


def configuration(name: str, setup: Setup, settings: Mapping[str, Any]) -> Config:
    """Return the configuration of a training, with the image size of its data."""
    preset, recipe, own = TRAININGS[name]
    changed = {"training.repair_end": 0, **own, **setup.small, **settings}
    return api.configure(preset, recipe=recipe, settings=changed)


def trainer_of(
    name: str, setup: Setup, settings: Mapping[str, Any], *, precision: Precision | None = None
) -> Trainer:
    """Return a trainer on random images."""
    config = configuration(name, setup, settings)
    size, channels = config.data.size, config.data.channels
    assert size is not None and channels is not None
    images = random_images((setup.images, size, size, channels))
    # The speed does not depend on which images are neighbours.
    rng = torch.Generator().manual_seed(0)
    nearest = torch.randint(len(images), (len(images), max(1, config.objective.neighbours)), generator=rng)
    return Trainer(
        InfoGAN(config),
        images,
        device=setup.device,
        precision=precision or setup.precision,
        nearest=nearest,
        log=_say,
    )


@lru_cache(maxsize=4)
def random_images(shape: tuple[int, int, int, int]) -> Tensor:
    """Return random uint8 images of a shape [N, H, W, C]."""
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


# --- speeds ----------------------------------------------------------------------------------------------


def steps_per_second(advance: Callable[[], None], setup: Setup, warm_up: int = 5) -> float:
    """Return steps per second, after steps that are not measured: warm-ups and the capture."""
    for _ in range(warm_up):
        advance()
    wait(setup.device)
    done, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < setup.seconds or not done:
        for _ in range(setup.together):
            advance()
        done += setup.together
        wait(setup.device)
    return done / max(time.perf_counter() - start, passed)


def host_seconds(advance: Callable[[], None], setup: Setup) -> float:
    """Return the seconds in which the host starts a step, without waiting for the GPU."""
    wait(setup.device)
    start = time.perf_counter()
    for _ in range(setup.together):
        advance()
    passed = time.perf_counter() - start
    wait(setup.device)
    return passed / setup.together


def wait(device: torch.device) -> None:
    """Wait until the GPU has done all work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure_training(name: str, setup: Setup) -> dict[str, Any]:
    """Measure steps and images per second of eager and of captured steps, and what a step consists of."""
    result: dict[str, Any] = {"precision": setup.precision}
    for way, settings in (("eager", EAGER), ("captured", setup.captured)):
        trainer = trainer_of(name, setup, settings)
        speed = steps_per_second(trainer.advance, setup)
        trainer.check()
        result[way] = {
            "steps_per_second": speed,
            "images_per_second": speed * _batch(trainer),
            "host_ms": 1e3 * host_seconds(trainer.advance, setup),
            "step_is_captured": trainer.graphs.capturing,
        }
        result["batch_size"] = _batch(trainer)
    result["captured_over_eager"] = (
        result["captured"]["steps_per_second"] / result["eager"]["steps_per_second"]
    )
    if name in GOALS:
        result["goal"] = GOALS[name]
    return result


class Counter(TorchDispatchMode):
    """Counts operations, without views, and the floating-point operations of products and convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.operations, self.flops = 0, 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call an operation and count it."""
        result = function(*args, **(kwargs or {}))
        self.operations += not function.is_view
        if count := flop_registry.get(function.overloadpacket):
            self.flops += count(*args, **(kwargs or {}), out_val=result)
        return result


def measure_operations(name: str, setup: Setup) -> dict[str, Any]:
    """Count operations of a step on the CPU, and the kernels that an eager step starts."""
    batch = configuration(name, setup, {}).training.batch_size
    counter = counted(name, setup, {})
    result: dict[str, Any] = {
        "gflop_per_step": counter.flops / COUNTED_BATCH * batch / 1e9,
        "operations_per_step": counter.operations,
    }
    if configuration(name, setup, {}).network.normalization == "spectral":
        shared = counted(name, setup, {"network.spectral_iterations": "step"})
        result["operations_with_one_power_iteration"] = shared.operations
    if setup.device.type == "cuda":
        trainer = trainer_of(name, setup, EAGER)
        trainer.advance()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            trainer.advance()
            wait(setup.device)
        result["kernels_per_step"] = sum(event.count for event in profile.key_averages())
    return result


def counted(name: str, setup: Setup, settings: Mapping[str, Any]) -> Counter:
    """Return the counts of the second step on the CPU, in float32."""
    small = {"training.batch_size": COUNTED_BATCH, "training.device": "cpu"}
    cpu = replace(setup, device=torch.device("cpu"), images=16)
    trainer = trainer_of(name, cpu, {**EAGER, **small, **settings}, precision="float32")
    trainer.advance()
    with Counter() as counter:
        trainer.advance()
    return counter


def measure_variants(name: str, setup: Setup) -> dict[str, Any]:
    """Measure captured steps in other precisions, and with one power iteration per step."""
    ways: dict[str, tuple[dict[str, Any], Precision]] = {
        "float32": ({}, "float32"),
        "tf32": ({}, engine.choose_precision("tf32", setup.device)),
        "deterministic": ({"training.deterministic": True}, setup.precision),
    }
    if configuration(name, setup, {}).network.normalization == "spectral":
        ways["one power iteration per step"] = ({"network.spectral_iterations": "step"}, setup.precision)
    result = {}
    for way, (settings, precision) in ways.items():
        if time.perf_counter() > setup.deadline:
            break
        trainer = trainer_of(name, setup, {**setup.captured, **settings}, precision=precision)
        result[way] = steps_per_second(trainer.advance, setup)
    return {"steps_per_second": result}


def measure_compiled(name: str, setup: Setup) -> dict[str, Any]:
    """Measure captured steps of networks that torch compiles, and the seconds of their first step."""
    trainer = trainer_of(name, setup, setup.captured)
    for network in (trainer.model.generator, trainer.model.trunk):
        network.compile(dynamic=False)
    start = time.perf_counter()
    trainer.advance()
    wait(setup.device)
    first = time.perf_counter() - start
    return {"first_step_seconds": first, "steps_per_second": steps_per_second(trainer.advance, setup)}


def measure_first_steps(name: str, setup: Setup) -> dict[str, Any]:
    """Measure the seconds from building a model to its first step, and to its first replayed step."""
    start = time.perf_counter()
    trainer = trainer_of(name, setup, setup.captured)
    result = {}
    for step, what in ((1, "first_step_seconds"), (5, "first_replayed_step_seconds")):
        while trainer.step < step:
            trainer.advance()
        wait(setup.device)
        result[what] = time.perf_counter() - start
    return result


def measure_seeds(name: str, setup: Setup) -> dict[str, Any]:
    """Measure eight seeds side by side, each on a stream of its own, compared with one."""
    rates = {}
    for count in (1, SEEDS):
        streams = [engine.new_stream(setup.device) for _ in range(count)]
        trainers = []
        for seed, stream in enumerate(streams):
            with stream():  # the stream of its captures, too
                trainers.append(trainer_of(name, setup, {**setup.captured, "training.seed": seed}))

        def advance(trainers: Sequence[Trainer] = trainers, streams: Sequence[Any] = streams) -> None:
            for trainer, stream in zip(trainers, streams, strict=True):
                with stream():
                    trainer.advance()

        rates[count] = steps_per_second(advance, setup)
    return {
        "seeds": SEEDS,
        "steps_per_second_of_each": {str(count): rate for count, rate in rates.items()},
        "time_of_all_over_one": rates[1] / rates[SEEDS],
    }


def measure_matrix_rate(setup: Setup) -> dict[str, Any]:
    """Measure TFLOP/s of square matrix products by precision."""
    size = 8192 if setup.device.type == "cuda" else 64
    result = {}
    for precision, dtype in (
        ("float32", torch.float32),
        ("tf32", torch.float32),
        ("bfloat16", torch.bfloat16),
    ):
        with engine.numerics(setup.device, precision, False):  # type: ignore[arg-type]
            left, right = (torch.ones(size, size, dtype=dtype, device=setup.device) for _ in range(2))
            product = torch.empty_like(left)
            rate = steps_per_second(partial(_multiply, left, right, product), replace(setup, seconds=0.5))
        result[precision] = 2 * size**3 * rate / 1e12
    return {"tflops": result}


def _multiply(left: Tensor, right: Tensor, product: Tensor) -> None:
    torch.mm(left, right, out=product)


# --- results that must be the same -----------------------------------------------------------------------


def measure_equality(name: str, setup: Setup) -> dict[str, Any]:
    """Compare captured steps with eager ones, and a resumed training with one without interruption.

    Both with and without `training.deterministic`. The differences are the largest of any weight; those of
    two eager trainings are the spread without it.
    """
    result, steps = {}, 6 if setup.small else 20
    for deterministic in (True, False):
        fixed = {"training.deterministic": deterministic}
        eager = [_trained(trainer_of(name, setup, {**EAGER, **fixed}), steps) for _ in range(2)]
        captured = _trained(trainer_of(name, setup, {**setup.captured, **fixed}), steps)
        first = _trained(trainer_of(name, setup, {**setup.captured, **fixed}), steps // 2)
        resumed = trainer_of(name, setup, {**setup.captured, **fixed})
        resumed.restore(_copied(first.model.state_dict()), _copied(first.optimizer_tensors()), first.state())
        _trained(resumed, steps - steps // 2)
        result["deterministic" if deterministic else "default"] = {
            "two_eager": _difference(*eager),
            "captured_and_eager": _difference(captured, eager[0]),
            "resumed_and_captured": _difference(resumed, captured),
        }
    return {"steps": steps, "largest_difference": result}


def _trained(trainer: Trainer, steps: int) -> Trainer:
    for _ in range(steps):
        trainer.advance()
    trainer.check()
    return trainer


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in tensors.items()}


def _difference(first: Trainer, second: Trainer) -> float:
    theirs = second.model.state_dict()
    pairs = ((value.float(), theirs[name].float()) for name, value in first.model.state_dict().items())
    return max(float((one - other).abs().max()) for one, other in pairs)


def measure_error(setup: Setup) -> dict[str, Any]:
    """Measure the seconds of training `robust` on MNIST until the clustering error is 5 %."""
    if setup.mnist is None:
        return {"not_measured": "give --mnist FOLDER"}
    settings = {**setup.captured, "training.device": str(setup.device)}
    config = api.configure("mnist", data=str(setup.mnist), recipe="robust", settings=settings)
    if setup.small:
        config = config.replace(network={"width": 0.0625}, training={"batch_size": 8})
        return to_error.reach(config, data.load(config.data), error=1.0, every=2, max_steps=4)
    return to_error.reach(config, data.load(config.data))


# --- the run ---------------------------------------------------------------------------------------------


def parts(setup: Setup) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Yield the parts of the benchmark, the most important first."""
    yield "matrix rate", partial(measure_matrix_rate, setup)
    yield "equality: mnist robust", partial(measure_equality, "mnist robust", setup)
    for name in TRAININGS:
        yield f"training: {name}", partial(measure_training, name, setup)
    yield "seeds: mnist robust", partial(measure_seeds, "mnist robust", setup)
    yield "error: mnist robust", partial(measure_error, setup)
    yield "first steps: mnist robust", partial(measure_first_steps, "mnist robust", setup)
    yield "seeds: sprites cr", partial(measure_seeds, "sprites cr", setup)
    yield "equality: sprites cr", partial(measure_equality, "sprites cr, regularized", setup)
    for name in TRAININGS:
        yield f"operations: {name}", partial(measure_operations, name, setup)
    for name in ("mnist robust", "sprites cr", "chairs residual", "svhn"):
        yield f"variants: {name}", partial(measure_variants, name, setup)
    if setup.compiled:
        yield "compiled: mnist robust", partial(measure_compiled, "mnist robust", setup)
        yield "compiled: chairs residual", partial(measure_compiled, "chairs residual", setup)


def names_of(setup: Setup, only: Sequence[str]) -> list[str]:
    """Return the names of the parts; `only`: beginnings of the names, or none for all."""
    return [name for name, _ in parts(setup) if not only or name.startswith(tuple(only))]


def measure(setup: Setup, names: Sequence[str], say: Callable[[str], None] = print) -> int:
    """Measure some parts in this process, and print the machine and each result as a line of JSON.

    Returns:
        The exit code: 0, or `_UNUSABLE` if the parts that are left cannot be measured in this process.
    """
    say(json.dumps({"machine": machine(setup)}))
    for name, part in parts(setup):
        if name not in names:
            continue
        late = time.perf_counter() > setup.deadline
        result = {"not_measured": "no time was left"} if late else guarded(name, part)
        say(json.dumps({"part": name, "result": _short(result)}))
        if "failed" in result and not _usable(setup.device):
            return _UNUSABLE
        gc.collect()
        if setup.device.type == "cuda":
            torch.cuda.empty_cache()
    return 0


def _usable(device: torch.device) -> bool:
    """Return False after an error from which a process cannot recover, such as an illegal address."""
    try:
        wait(device)
        torch.ones(1, device=device).sum().item()
    except RuntimeError:
        return False
    return True


class Supervisor:
    """Runs the parts in a process, replaces it when it ends early, and writes all results after each.

    Args:
        command: of a process that measures the parts whose names are appended, as `measure` does.
        out: the JSON file.
        deadline: time.perf_counter() after which no part begins.
        limit: seconds of a part.
    """

    def __init__(self, command: Sequence[str], out: Path, deadline: float, limit: float = LIMIT) -> None:
        self.command, self.out, self.deadline, self.limit = command, out, deadline, limit
        self.results: dict[str, Any] = {"machine": {}, "parts": {}}

    def run(self, names: Sequence[str]) -> dict[str, Any]:
        """Measure the parts in their order, and return all results."""
        left = list(names)
        while left:
            if time.perf_counter() > self.deadline:
                self._add(left.pop(0), {"not_measured": "no time was left"})
                continue
            before = len(left)
            reason = self._process(left)
            if left and (reason or len(left) == before):  # the part at which the process ended
                _say(f"{left[0]}: {reason}")
                self._add(left.pop(0), {"failed": reason or "the process has not measured it"})
        _add_shares(self.results["parts"])
        self._write()
        return self.results

    def _process(self, left: list[str]) -> str | None:
        """Measure parts in one process, and remove them from `left`.

        Returns:
            Why the process ended at the first part of `left`; None if that part can be measured by another.
        """
        seconds = max(0.0, self.deadline - time.perf_counter())
        command = [*self.command, f"--minutes={seconds / 60}", "--parts", *left]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        lines: Queue[str | None] = Queue()
        reader = Thread(target=_read, args=(process, lines), daemon=True)
        reader.start()
        extra = _STARTS
        try:
            while True:
                most = min(self.limit + extra, self.deadline + GRACE - time.perf_counter())
                line = lines.get(timeout=max(0.0, most))
                if line is None:
                    code = process.wait()
                    return None if code in (0, _UNUSABLE) else f"the process ended with code {code}"
                extra = 0.0
                message = json.loads(line)
                if "machine" in message:
                    self.results["machine"] = message["machine"]
                elif message["part"] in left:
                    left.remove(message["part"])
                    self._add(message["part"], message["result"])
                if not left:
                    return None
        except Empty:
            return f"no result within {most:.3g} s"
        finally:
            process.kill()
            process.wait()
            reader.join()

    def _add(self, name: str, result: dict[str, Any]) -> None:
        self.results["parts"][name] = result
        self._write()

    def _write(self) -> None:
        self.out.write_text(json.dumps(_short(self.results), indent=1) + "\n", encoding="utf-8")


def _read(process: subprocess.Popen[str], lines: Queue[str | None]) -> None:
    """Put the lines that a process prints into a queue, and None at the end."""
    assert process.stdout is not None
    with process.stdout as printed:
        for line in printed:
            if line.startswith("{"):  # libraries print other things
                lines.put(line)
    lines.put(None)


def guarded(name: str, part: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what a part measured and its seconds, or its error."""
    start = time.perf_counter()
    _say(f"{name} ...")
    try:
        result = part()
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        result = {"failed": f"{type(error).__name__}: {error}", "at": f"{where.filename}:{where.lineno}"}
    result["seconds"] = time.perf_counter() - start
    _say(f"{name}: {json.dumps(_short(result))}")
    return result


def machine(setup: Setup) -> dict[str, Any]:
    """Return the names of the GPU and of the software."""
    cuda = setup.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(setup.device) if cuda else "CPU, a smoke test",
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if cuda else None,
        "python": platform.python_version(),
    }


def _add_shares(measured: dict[str, Any]) -> None:
    """Add the share of the matrix rate to each training whose operations were counted."""
    rates = measured.get("matrix rate", {}).get("tflops", {})
    for name in TRAININGS:
        training, counted = (measured.get(f"{part}: {name}", {}) for part in ("training", "operations"))
        rate = rates.get(training.get("precision"))
        if rate and "gflop_per_step" in counted and "captured" in training:
            tflops = counted["gflop_per_step"] * training["captured"]["steps_per_second"] / 1e3
            training["share_of_matrix_rate"] = tflops / rate


def table(results: Mapping[str, Any]) -> str:
    """Return the speeds of all trainings as text."""
    lines = [
        f"{results['machine'].get('device')}, torch {results['machine'].get('torch')}",
        f"{'training':26}{'eager':>9}{'captured':>10}{'times':>8}{'images/s':>11}{'share':>8}{'goal':>7}",
    ]
    for name in TRAININGS:
        found = results["parts"].get(f"training: {name}", {})
        if "captured" not in found:
            lines.append(f"{name:26}{found.get('failed', found.get('not_measured', 'not measured'))}")
            continue
        eager, captured = found["eager"]["steps_per_second"], found["captured"]["steps_per_second"]
        share = found.get("share_of_matrix_rate")
        lines.append(
            f"{name:26}{eager:9.1f}{captured:10.1f}{captured / eager:8.1f}"
            f"{found['captured']['images_per_second']:11,.0f}"
            f"{'' if share is None else f'{share:.1%}':>8}{found.get('goal', ''):>7}"
        )
    return "\n".join(lines)


def _file_name(device: str) -> str:
    """Return the name of a device in lower case, with hyphens."""
    return "-".join(re.findall(r"[a-z0-9]+", device.lower()))


def _batch(trainer: Trainer) -> int:
    return int(trainer.config.training.batch_size)


def _short(value: Any) -> Any:
    """Return nested values with floats of four digits."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {key: _short(item) for key, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, list | tuple) else value


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


SMALL = {"network.width": 0.03, "training.batch_size": 8, "data.size": 16}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table; return 1 if a part failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument(
        "--out", type=Path, help="default: docs/results/gpu-NAME.json, with the name of the GPU"
    )
    parser.add_argument(
        "--mnist", type=Path, help="folder with the files of MNIST, for the time to 5 %% error"
    )
    parser.add_argument("--minutes", type=float, help="no part begins later; default: 5.5")
    parser.add_argument("--only", nargs="+", default=[], help="beginnings of the names of parts")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile, too")
    parser.add_argument("--cpu-smoke", action="store_true", help="run every part at a tiny size on the CPU")
    parser.add_argument("--parts", nargs="+", help="measure these in this process, and print JSON")
    given = parser.parse_args(arguments)
    if not given.cpu_smoke and not torch.cuda.is_available():
        parser.error("this machine has no GPU; --cpu-smoke tests the script")
    if given.cpu_smoke and given.out is None and not given.parts:
        parser.error("--cpu-smoke needs --out: its figures mean nothing and do not belong to the results")
    # A smoke test may run on a busy machine.
    minutes, limit = (60.0, 600.0) if given.cpu_smoke else (5.5, LIMIT)
    setup = Setup(
        torch.device("cpu" if given.cpu_smoke else "cuda"),
        compiled=given.compile,
        mnist=given.mnist and given.mnist.resolve(),
        deadline=time.perf_counter() + 60 * (minutes if given.minutes is None else given.minutes),
    )
    if given.cpu_smoke:
        setup = replace(setup, seconds=0.0, images=32, together=5, small=SMALL)
    if given.parts:
        return measure(setup, given.parts, partial(print, flush=True))
    command = [sys.executable, "-m", "benchmarks.gpu"]
    command += ["--compile"] if given.compile else []
    command += ["--cpu-smoke"] if given.cpu_smoke else []
    command += [f"--mnist={setup.mnist}"] if setup.mnist else []
    out = given.out or ROOT / "docs" / "results" / f"gpu-{_file_name(machine(setup)['device'])}.json"
    results = Supervisor(command, out, setup.deadline, limit).run(names_of(setup, given.only))
    print(table(results))
    print(f"written: {out}")
    return int(any("failed" in part for part in results["parts"].values()))


if __name__ == "__main__":
    sys.exit(main())
