"""A folder of one's own pictures, from files to pictures: what a user with photographs will see.

The pictures are drawn here, so that the experiment needs nothing: a house, a fir tree, a sailing boat or a
lighthouse in a landscape, at any time of day, in three sizes of which two are not square. Some files are
broken.
"""

from __future__ import annotations

import colorsys
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from infogan import api, evaluation, storage, streams
from infogan.config import parse_assignments
from infogan.errors import UsageError
from infogan.report import pictures
from infogan.report.traversals import traversal_picture
from infogan.runs.directory import next_free
from infogan.training.runner import Trained
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.figure_page import machine
from infogan_experiments.results import publish, read_rows, row, seeds, trained, with_interval

COUNT, BROKEN = 3_000, 12
SIZES = ((96, 72), (72, 108), (128, 128))
STEPS, SIZE = 2_000, 32
"""Steps, and the side in pixels that the pictures are brought to."""

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


KINDS: dict[str, Callable[[Draw, float, float, float, Colour], None]] = {
    "house": _house,
    "tree": _tree,
    "boat": _boat,
    "lighthouse": _lighthouse,
}


def draw_picture(kind: str, size: tuple[int, int], chance: np.random.Generator) -> Image.Image:
    """One landscape in colour, `size` as (width, height), with a thing of that kind in the middle."""
    width, height = (4 * side for side in size)
    day = chance.random()  # from dusk to noon
    sky, water = _mixed((70, 50, 90), (140, 190, 235), day), _mixed((25, 30, 60), (60, 120, 170), day)
    land = _mixed((35, 40, 35), (110, 150, 70), day)
    picture = Image.new("RGB", (width, height), sky)
    draw = ImageDraw.Draw(picture)
    horizon = height * (0.55 + 0.06 * chance.uniform(-1, 1))
    draw.rectangle((0, horizon, width, height), fill=water if kind == "boat" else land)
    side = min(width, height)
    hill = chance.uniform(0, width)
    draw.ellipse((hill - 0.6 * side, horizon - 0.12 * side, hill + 0.6 * side, horizon + 0.12 * side),
                 fill=_mixed(land, sky, 0.4))  # fmt: skip
    if kind == "boat":
        draw.rectangle((0, horizon, width, height), fill=water)
    red, green, blue = colorsys.hsv_to_rgb(chance.random(), 0.55, 0.5 + 0.5 * day)
    x, y = width / 2 + 0.1 * side * chance.uniform(-1, 1), horizon + 0.2 * side * chance.uniform(0.7, 1)
    KINDS[kind](draw, x, y, 0.19 * side * chance.uniform(0.8, 1.2),
                (int(255 * red), int(255 * green), int(255 * blue)))  # fmt: skip
    return picture.resize(size, Image.Resampling.LANCZOS)


def _mixed(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def draw_folder(folder: Path, count: int, seed: int) -> None:
    """Pictures in a folder for each kind, and a few files that are no whole pictures.

    The names of folders are for measuring: training reads none.

    Args:
        folder: written aside and renamed; one that is there already is left as it is.
        count: pictures; broken files come on top, at most one for two hundred of them.
        seed: of all chance.

    Raises:
        StorageError: the folder cannot be written.
    """
    if folder.is_dir():
        return
    aside = folder.with_name(f"{folder.name}.part")
    with storage.writing(folder, count * 4_096):
        shutil.rmtree(aside, ignore_errors=True)
        for kind in KINDS:
            (aside / kind).mkdir(parents=True)
        for number in range(count):
            _draw_file(aside, number, seed)
        whole = sorted(aside.rglob("*.png"))[0].read_bytes()
        for number in range(min(BROKEN, count // 200)):
            torn = (whole[: len(whole) // 2], b"", b"<html>not found</html>")[number % 3]
            (aside / list(KINDS)[number % len(KINDS)] / f"torn-{number:02d}.png").write_bytes(torn)
        aside.rename(folder)


def _draw_file(folder: Path, number: int, seed: int) -> None:
    drawn = torch.randint(2**31, (1,), generator=streams.generator(seed, "own pictures", number))
    chance = np.random.default_rng(int(drawn))
    kind = list(KINDS)[chance.integers(len(KINDS))]
    picture = draw_picture(kind, SIZES[chance.integers(len(SIZES))], chance)
    picture.save(folder / kind / f"{number:05d}.{('png', 'jpg')[number % 2]}", quality=90)


@experiment("own-pictures", takes=("quick",))
def own_pictures(options: Options) -> None:
    """A folder of 3,000 colour pictures, not square, of three sizes, some torn: to pictures like them.

    Trained as by `infogan train FOLDER --size 32 --codes "kind:4 style1:u style2:u"`, 2,000 steps, one seed.
    Writes own-pictures.json and own-pictures.md; its pictures lie in the runs.
    """
    if options.data is not None:
        raise UsageError(
            f"--data {options.data}: own-pictures draws its pictures itself",
            "no --data",
            f"infogan train {options.data} --size {SIZE}, for your own",
        )
    folder = options.out or next_free(Path("runs"), "own-pictures")
    arm = "own-pictures-quick" if options.quick else "own-pictures"
    drawn = folder / ("pictures-quick" if options.quick else "pictures")  # apart from runs, which hold PNGs
    draw_folder(drawn, QUICK_COUNT if options.quick else COUNT, seed=0)
    steps = options.steps or (QUICK_STEPS if options.quick else STEPS)
    narrow = ["network.width=0.125"] if options.quick else []
    for seed in seeds(options, 1):
        config = api.configure(
            drawn,
            codes=f"kind:{len(KINDS)} style1:u style2:u",
            settings=parse_assignments(
                [f"data.size={SIZE}", f"training.seed={seed}", *narrow, *options.settings]
            ),
        )
        row(folder, arm, config, steps, trained(config, steps, measure=_measured))
    rows = read_rows(folder)
    publish(folder, "own-pictures", {"rows": rows}, table(rows))
    storage.write_text(folder / "own-pictures.md", page(rows))


def _measured(run: Trained) -> dict[str, Any]:
    """The scores; and pictures of real images, of generated ones and of each code, in the run."""
    path = run.run.path
    real = np.asarray(run.dataset.test.images[:64])
    pictures.save_png(pictures.sample_grid(real), path / "real.png")
    pictures.save_png(pictures.sample_grid(run.model.sample(64)), path / "generated.png")
    for name in run.model.latents.priors:
        pictures.save_png(traversal_picture(run.model, name), path / f"{name}.png")
    return evaluation.evaluate(run.model, run.dataset)


def page(rows: Sequence[Mapping[str, Any]]) -> str:
    """The page in Markdown: figures, machine, and each run's pictures."""
    parts = [
        "# A folder of own pictures",
        "Houses, trees, boats and lighthouses at any time of day, in PNG and JPEG files of three sizes, two "
        "of them not square, and some torn ones. Written by `infogan reproduce own-pictures`.",
        table(rows),
    ]
    for entry in rows:
        run = f"{entry['arm']}/seed-{entry['seed']}"
        names = ["real", "generated", *entry["scores"]["codes"]]
        parts += [f"## Seed {entry['seed']}, {entry['steps']:,} steps ({entry['arm']})"]
        parts += [f"{name}: ![{name}]({run}/{name}.png)" for name in names]
        parts.append(f"Machine: {machine(entry['machine'])}.")
    return "\n\n".join(parts) + "\n"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = [
        "| seed | steps | kinds found (accuracy, 95 %) | k-means on pixels | precision | recall |",
        "|---|---|---|---|---|---|",
    ]
    for entry in rows:
        scores = entry["scores"]
        found, kmeans = scores["clustering"], scores["baselines"]["kmeans"]["clustering"]
        accuracy = with_interval(found["accuracy"], found["accuracy_interval"], 3)
        lines.append(
            f"| {entry['seed']} | {entry['steps']:,} | {accuracy} | {kmeans['accuracy']:.3f} "
            f"| {scores['fidelity']['precision']:.3f} | {scores['fidelity']['recall']:.3f} |"
        )
    return "\n".join(lines)
