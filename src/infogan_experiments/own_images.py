"""A folder of image files, from reading to generated images, as a user with photographs would have.

The images are rendered, so that the experiment needs no download: a house, a fir tree, a sailing boat or a
lighthouse in a landscape, at any time of day, in three sizes of which two are not square. Some files are
damaged.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from infogan import evaluation, storage, streams
from infogan.errors import UsageError
from infogan.reporting import pictures
from infogan.reporting.traversals import traversal_picture
from infogan.training.runner import Trained
from infogan_experiments.experiment import Options, configure, experiment
from infogan_experiments.figure_page import machine
from infogan_experiments.result_tables import Result, estimate, results_table, value
from infogan_experiments.results import publish, read_results, record, train_and_measure

COUNT, DAMAGED = 3_000, 12
SIZES = ((96, 72), (72, 108), (128, 128))
STEPS, SIZE = 2_000, 32
"""Training steps, and the side in pixels to which images are resized."""

QUICK_COUNT, QUICK_STEPS = 200, 20

Draw = ImageDraw.ImageDraw
Colour = tuple[int, int, int]


def _house(draw: Draw, x: float, y: float, s: float, colour: Colour) -> None:
    draw.rectangle((x - s, y - 1.1 * s, x + s, y), fill=colour)
    draw.polygon(
        [(x - 1.25 * s, y - 1.1 * s), (x + 1.25 * s, y - 1.1 * s), (x, y - 2.1 * s)], fill=(110, 40, 30)
    )
    draw.rectangle((x - 0.2 * s, y - 0.7 * s, x + 0.25 * s, y), fill=(60, 40, 30))


def _tree(draw: Draw, x: float, y: float, s: float, colour: Colour) -> None:
    draw.rectangle((x - 0.15 * s, y - 0.6 * s, x + 0.15 * s, y), fill=(85, 55, 30))
    green = (colour[0] // 4, 60 + colour[1] // 3, colour[2] // 4)
    for low, wide in ((0.5, 1.0), (1.1, 0.8), (1.7, 0.55)):
        draw.polygon(
            [(x - wide * s, y - low * s), (x + wide * s, y - low * s), (x, y - (low + 1.0) * s)], fill=green
        )


def _boat(draw: Draw, x: float, y: float, s: float, colour: Colour) -> None:
    draw.polygon([(x - 1.2 * s, y - 0.5 * s), (x + 1.2 * s, y - 0.5 * s), (x + 0.7 * s, y), (x - 0.8 * s, y)],
                 fill=(90, 55, 35))  # fmt: skip
    draw.polygon(
        [(x - 0.1 * s, y - 0.6 * s), (x - 0.1 * s, y - 2.4 * s), (x + 1.1 * s, y - 0.7 * s)], fill=colour
    )
    draw.polygon(
        [(x - 0.2 * s, y - 0.6 * s), (x - 0.2 * s, y - 2.0 * s), (x - 0.9 * s, y - 0.7 * s)], fill=colour
    )


def _lighthouse(draw: Draw, x: float, y: float, s: float, colour: Colour) -> None:
    for part in range(4):
        shade = colour if part % 2 else (235, 235, 230)
        top, bottom = 2.2 - 0.55 * part, 1.65 - 0.55 * part
        draw.rectangle((x - 0.4 * s, y - top * s, x + 0.4 * s, y - bottom * s), fill=shade)
    draw.rectangle((x - 0.28 * s, y - 2.6 * s, x + 0.28 * s, y - 2.2 * s), fill=(250, 235, 140))


CLASSES: dict[str, Callable[[Draw, float, float, float, Colour], None]] = {
    "house": _house,
    "tree": _tree,
    "boat": _boat,
    "lighthouse": _lighthouse,
}


def render_picture(name: str, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Return a landscape in colour, `size` as (width, height), with an object of a class in the middle."""
    width, height = (4 * side for side in size)
    day = rng.random()  # from dusk to noon
    sky, water = _mixed((70, 50, 90), (140, 190, 235), day), _mixed((25, 30, 60), (60, 120, 170), day)
    land = _mixed((35, 40, 35), (110, 150, 70), day)
    picture = Image.new("RGB", (width, height), sky)
    draw = ImageDraw.Draw(picture)
    horizon = height * (0.55 + 0.06 * rng.uniform(-1, 1))
    side = min(width, height)
    hill = rng.uniform(0, width)
    draw.rectangle((0, horizon, width, height), fill=land)
    draw.ellipse((hill - 0.6 * side, horizon - 0.12 * side, hill + 0.6 * side, horizon + 0.12 * side),
                 fill=_mixed(land, sky, 0.4))  # fmt: skip
    if name == "boat":
        draw.rectangle((0, horizon, width, height), fill=water)
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), 0.55, 0.5 + 0.5 * day)
    x, y = width / 2 + 0.1 * side * rng.uniform(-1, 1), horizon + 0.2 * side * rng.uniform(0.7, 1)
    CLASSES[name](draw, x, y, 0.19 * side * rng.uniform(0.8, 1.2),
                  (int(255 * red), int(255 * green), int(255 * blue)))  # fmt: skip
    return picture.resize(size, Image.Resampling.LANCZOS)


def _mixed(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def render_folder(folder: Path, count: int, seed: int) -> None:
    """Write pictures into one folder per class, and a few damaged files.

    Folder names are used for evaluation only.

    Args:
        folder: written under another name and renamed; an existing folder is left unchanged.
        count: number of pictures, without damaged files, of which there is at most one per two hundred.
        seed: random seed.

    Raises:
        StorageError: the folder cannot be written.
    """
    if folder.is_dir():
        return
    names = list(CLASSES)
    with storage.prepared_folder(folder, count * 4_096) as part:
        for name in names:
            (part / name).mkdir(parents=True)
        for number in range(count):
            sampled = torch.randint(2**31, (1,), generator=streams.generator(seed, "own pictures", number))
            rng = np.random.default_rng(int(sampled))
            name = names[rng.integers(len(names))]
            picture = render_picture(name, SIZES[rng.integers(len(SIZES))], rng)
            picture.save(part / name / f"{number:05d}.{('png', 'jpg')[number % 2]}", quality=90)
        intact = sorted(part.rglob("*.png"))[0].read_bytes()
        for number in range(min(DAMAGED, count // 200)):
            damaged = (intact[: len(intact) // 2], b"", b"<html>not found</html>")[number % 3]
            (part / names[number % len(names)] / f"torn-{number:02d}.png").write_bytes(damaged)


@experiment("own-pictures", takes=("quick",))
def own_pictures(options: Options) -> None:
    """Train on a folder of 3,000 colour images with different sizes and some damaged files.

    Trains like `infogan train FOLDER --size 32 --codes "kind:4 style1:u style2:u"`, 2,000 steps, one seed.
    Writes own-pictures.json and own-pictures.md; its pictures are in the run directories.
    """
    if options.data is not None:
        raise UsageError(
            f"--data {options.data}: own-pictures renders its own pictures",
            "no --data",
            f"infogan train {options.data} --size {SIZE}, for your images",
        )
    folder, suffix = options.folder("own-pictures"), "-quick" if options.quick else ""
    files = folder / f"pictures{suffix}"  # not next to runs, which contain PNG files
    render_folder(files, QUICK_COUNT if options.quick else COUNT, seed=0)
    steps = options.steps or (QUICK_STEPS if options.quick else STEPS)
    small = {"network.width": 0.125} if options.quick else {}
    for seed in options.seed_range(1):
        published = {"data.split_version": 1}
        settings = {"data.size": SIZE, "training.seed": seed, **published, **small}
        codes = f"kind:{len(CLASSES)} style1:u style2:u"
        config = configure(files, options, settings, codes=codes)
        record(folder, f"own-pictures{suffix}", config, steps, partial(train_and_measure, measure=_measure))
    results = read_results(folder)
    publish(folder, "own-pictures", {"rows": results}, results_table(results, COLUMNS))
    storage.write_text(folder / "own-pictures.md", page(results))


def _measure(trained: Trained) -> dict[str, Any]:
    """Evaluate, and save pictures of real images, samples and each code in the run directory."""
    path = trained.run.path
    real = np.asarray(trained.dataset.test.images[:64])
    pictures.save_png(pictures.sample_grid(real), path / "real.png")
    pictures.save_png(pictures.sample_grid(trained.model.sample(64)), path / "generated.png")
    for name in trained.model.latents.priors:
        pictures.save_png(traversal_picture(trained.model, name), path / f"{name}.png")
    return evaluation.evaluate(trained.model, trained.dataset)


def page(results: Sequence[Result]) -> str:
    """Return the page in Markdown: the table, machine, and each run's pictures."""
    parts = [
        "# A folder of images",
        "Houses, trees, boats and lighthouses at any time of day, in PNG and JPEG files of three sizes, two "
        "of them not square, and some damaged files. Written by `infogan reproduce own-pictures`.",
        results_table(results, COLUMNS),
    ]
    for result in results:
        run = f"{result['arm']}/seed-{result['seed']}"
        names = ["real", "generated", *result["scores"]["codes"]]
        parts.append(f"## Seed {result['seed']}, {result['steps']:,} steps ({result['arm']})")
        parts += [f"{name}: ![{name}]({run}/{name}.png)" for name in names]
        parts.append(f"Machine: {machine(result['machine'])}.")
    return "\n\n".join(parts) + "\n"


COLUMNS = {
    "seed": value("seed"),
    "steps": value("steps", ","),
    "classes found (accuracy, 95 %)": estimate("scores.clustering.accuracy"),
    "k-means on pixels": value("scores.baselines.kmeans.clustering.accuracy", ".3f"),
    "precision": value("scores.fidelity.precision", ".3f"),
    "recall": value("scores.fidelity.recall", ".3f"),
}
