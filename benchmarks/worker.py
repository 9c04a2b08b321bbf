"""One measurement in its own process: `python -m benchmarks.worker infogan|textbook --threads N`.

Allocator settings and threads are per process. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch

from benchmarks import pictures
from benchmarks.matrix_rate import FLOPS, MatrixProduct
from benchmarks.products import Products, step_products
from benchmarks.textbook import Textbook
from infogan import presets, recipes
from infogan.model import InfoGAN
from infogan.networks import layers
from infogan.training import engine
from infogan.training.trainer import Trainer

WARM_UP = 3  # steps before the measurement, to fill memory pools and caches
BATCH = 128


def infogan_step(precision: engine.Precision, recipe: str, width: float) -> Callable[[], None]:
    """Return a function that trains the preset `mnist` for one step, with a recipe and a width."""
    engine.keep_freed_memory()
    digits = pictures.digits()
    images = torch.from_numpy(digits[pictures.repeated(len(digits))][..., None])
    config = recipes.find(recipe).apply(presets.load("mnist"))
    config = config.model_copy(update={"network": config.network.model_copy(update={"width": width})})
    if config.training.batch_size != BATCH:
        raise ValueError(f"the recipe's batch size is {config.training.batch_size}, not {BATCH}")
    # The speed does not depend on which images are neighbours.
    neighbours = max(config.objective.neighbours, 1)
    nearest = torch.randint(len(images), (len(images), neighbours), generator=torch.Generator())
    trainer = Trainer(
        InfoGAN(config), images, device=torch.device("cpu"), precision=precision, nearest=nearest
    )
    return trainer.advance


def plain_step(step: Callable[[], None]) -> Callable[[], None]:
    """Return a function that makes a step with torch's own layers instead of those of infogan."""

    def advance() -> None:
        chosen = layers._on_cpu
        layers._on_cpu = lambda _layer, _input: False
        try:
            step()
        finally:
            layers._on_cpu = chosen

    return advance


def compare_layers(turns: int, steps_a_turn: int) -> dict[str, object]:
    """Measure turns of steps with infogan's layers, with torch's own, and of the products of their shapes.

    They alternate in one process, so that a change of the machine's speed affects all of them. CPU time is
    measured: on one thread it is that of an idle machine, also where other processes keep the core busy.

    Returns:
        Medians over the turns: `over_plain`, the speed relative to torch's layers; `product_rate`, the time
        of the products alone relative to that of the step.
    """
    ours = infogan_step("float32", "paper", 1.0)
    plain = plain_step(infogan_step("float32", "paper", 1.0))
    alone = Products(step_products(InfoGAN(presets.load("mnist")), BATCH))
    for _ in range(WARM_UP):
        ours()
        plain()
        alone.seconds()
    over_plain, rates = [], []
    for _ in range(turns):
        seconds = []
        for step in (ours, plain):
            start = time.process_time()
            for _ in range(steps_a_turn):
                step()
            seconds.append((time.process_time() - start) / steps_a_turn)
        over_plain.append(seconds[1] / seconds[0])
        rates.append(alone.seconds() / seconds[0])
    return {"over_plain": statistics.median(over_plain), "product_rate": statistics.median(rates)}


def textbook_step() -> Callable[[], None]:
    """Return a function that trains the textbook loop for one step, including its data loading."""
    torch.manual_seed(0)
    loop = Textbook(BATCH)
    batches = loop.batches()
    return lambda: loop.step(next(batches))


def measure(step: Callable[[], None], turns: int, steps_a_turn: int) -> dict[str, object]:
    """Measure turns of training steps, with a matrix product before and after each turn.

    Returns:
        Medians over the turns: images per second, GFLOP/s of the matrix products, and images per
        floating-point operation of the matrix products ("images_per_flop").
    """
    product = MatrixProduct()
    for _ in range(WARM_UP):
        step()
        product.seconds()
    images, rates, ratios = [], [], []
    before = product.seconds()
    for _ in range(turns):
        start = time.perf_counter()
        for _ in range(steps_a_turn):
            step()
        images.append(steps_a_turn * BATCH / (time.perf_counter() - start))
        after = product.seconds()
        rates.append(2 * FLOPS / (before + after))
        ratios.append(images[-1] / rates[-1])
        before = after
    return {
        "images_per_second": statistics.median(images),
        "matrix_gflops": statistics.median(rates) / 1e9,
        "images_per_flop": statistics.median(ratios),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker", description=__doc__)
    parser.add_argument("what", choices=("infogan", "textbook", "layers"))
    parser.add_argument("--recipe", default="paper")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--steps", type=int, default=3, help="steps per turn")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    if given.what == "layers":
        print(json.dumps(compare_layers(given.turns, given.steps)))
        return
    ours = partial(infogan_step, given.precision, given.recipe, given.width)
    prepare = ours if given.what == "infogan" else textbook_step
    print(json.dumps(measure(prepare(), given.turns, given.steps)))


if __name__ == "__main__":
    main()
