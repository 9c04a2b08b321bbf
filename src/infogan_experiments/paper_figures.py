"""The paper's Figures 2 to 6 as data (section 7.2, appendix C): statements, panels, metrics and targets."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from infogan import presets
from infogan.config import Categorical
from infogan_experiments.attribute_tables import attributes_table, smallest_lead
from infogan_experiments.experiment import EXPERIMENTS, Experiment
from infogan_experiments.reproduction import reproduce
from infogan_experiments.targets import (
    Metric,
    Panel,
    PaperFigure,
    Scores,
    at,
    factor,
    matched,
    named,
    only_code,
)

ONE_RUN = "The paper reports one run and not its length."
BEST_OF_FIVE = "The paper's authors ran 20,000 steps and 5 seeds, and show the best."

MNIST = PaperFigure(
    preset="mnist",
    title="MNIST: digit type, rotation and width",
    section="Section 7.2, Figure 2 (a), (c), (d); appendix C.1, Table 1",
    statement="A Cat(10) code finds the digit: matched to the ten digits, its categories err on 5 % of the "
    "images. Two Unif(-1, 1) codes find rotation and width, and do so from -2 to 2, too.",
    panels=(
        Panel("(a) Digit type", named("digit")),
        Panel("(c) Rotation", matched("slant"), (-2.0, 2.0)),
        Panel("(d) Width or thickness", matched("width", "thickness"), (-2.0, 2.0)),
    ),
    metrics=(
        Metric("accuracy on test images", at("clustering.accuracy"), 0.95),
        *(
            Metric(f"{stroke}, rank correlation on {images} images", factor(stroke, f"spearman_{key}"))
            for stroke in ("slant", "width", "thickness")
            for key, images in (("generated", "generated"), ("real", "test"))
        ),
    ),
    remark="Panel (b), a regular GAN without codes, is left out: `infogan reproduce figure1` measures it. "
    "The third panel shows the code that was matched to width, or to thickness if none was matched to width.",
    seeds=5,
    steps=5_000,
    paper_runs="The paper reports one run; the authors' code runs 5,000 steps.",
    columns=3,
)


def _lighting(scores: Scores) -> Sequence[str]:
    return [scores["brightness"]["code"]] if "brightness" in scores else []


def _context(scores: Scores) -> Sequence[str]:
    """Return the categorical code with the largest share of its change outside the centre."""
    shares = {name: one["outside"] for name, one in scores.get("context", {}).items()}
    return sorted(shares, key=shares.__getitem__)[-1:]


SVHN = PaperFigure(
    preset="svhn",
    title="SVHN: lighting and context",
    section="Section 7.2, Figure 5; appendix C.2, Table 2",
    statement="One continuous code varies the lighting, and one categorical code the context: the digits "
    "beside the one in the centre.",
    panels=(
        Panel("(a) Continuous variation: lighting", _lighting, (-2.0, 2.0)),
        Panel("(b) Discrete variation: plate context", _context),
    ),
    metrics=(
        Metric(
            "brightness, rank correlation of its code on generated images",
            at("brightness.spearman_generated"),
            target=0.7,
            needed=1,
        ),
        Metric(
            "brightness, rank correlation of its code on test images",
            at("brightness.spearman_real"),
            target=0.5,
            needed=1,
        ),
        *(
            Metric(
                f"share of the change by {name} that lies beside the middle half of the picture",
                at(f"context.{name}.outside"),
            )
            for name, code in presets.load("svhn").latents.codes.items()
            if isinstance(code, Categorical)
        ),
    ),
    remark="The paper does not give the range of the continuous code; -2 to 2 is our choice, as in Figure 2. "
    "Brightness is the largest component of these pixels: the baseline PCA finds almost all of it.",
    seeds=1,
    steps=6_000,
    paper_runs=ONE_RUN,
    columns=2,
)

CELEBA = PaperFigure(
    preset="celeba",
    title="CelebA: pose, glasses, hair and emotion",
    section="Section 7.2, Figure 6; appendix C.3, Table 3",
    statement="Of ten Cat(10) codes, one varies azimuth (pose), one the presence of glasses, one hair style "
    "and one emotion.",
    panels=(Panel("Categories", named(*presets.load("celeba").latents.codes)),),
    metrics=(
        Metric(
            "least lead in AUC, of three attributes that are no colours, over all baselines' intervals",
            smallest_lead,
            target=0.0,
            needed=1,
            limits=(-1.0, 1.0),
        ),
    ),
    remark="The paper shows these four by eye; here all ten codes are plotted and compared with the data "
    "set's attributes. The target: a code's AUC is above the upper end of every baseline's interval. Codes, "
    "PCA and the untrained network are searched in the same number of columns, k-means in as many as one "
    "code has categories.",
    seeds=1,
    steps=6_000,
    paper_runs=ONE_RUN,
    columns=2,
    details=attributes_table,
)

FACES = {
    "azimuth": ("(a) Azimuth (pose)", "azimuth"),
    "elevation": ("(b) Elevation", "elevation"),
    "lighting": ("(c) Lighting", "light_azimuth"),
    "width": ("(d) Wide or narrow", "width"),
}
"""The panel of each variation in Figure 3, and the factor of our rendered faces that it varies."""

FACE_FACTORS = ("azimuth", "elevation", "light_azimuth", "light_elevation", "width")


def _faces(variation: str) -> PaperFigure:
    """With the recipe `paper` each has its own learning rates and lambda (Table 5)."""
    panel, wanted = FACES[variation]
    return PaperFigure(
        preset=f"faces-{variation}",
        title=f"3D faces: {panel.partition(') ')[2].lower()}",
        section=f"Section 7.2, Figure 3 {panel[:3]}; appendix C.4, Tables 4 and 5",
        statement=f"One of five Unif(-1, 1) codes becomes {variation}, from -1 to 1.",
        panels=(Panel(panel, matched(wanted), (-1.0, 1.0)),),
        metrics=(
            Metric(
                f"{wanted}, rank correlation of its code on identities that were not trained on",
                factor(wanted, "spearman"),
                target=0.85,
                needed=2,
            ),
            *(
                Metric(f"{other}, rank correlation of its code", factor(other, "spearman"))
                for other in FACE_FACTORS
                if other != wanted
            ),
        ),
        remark="Faces are rendered by infogan, with known factors; lighting is compared with the light's "
        "azimuth. Pixels alone predict azimuth and light well: the baseline is the best of five principal "
        "components. With the recipe `robust` the four presets differ in name only: with one --out their "
        "four pages show the same models.",
        seeds=3,
        steps=5_000,
        paper_runs=BEST_OF_FIVE,
        best_of=5,
        first_seed=110,  # results of seed 100 were seen before codes were predicted through noise
        same_training=tuple(f"faces-{other}" for other in FACES if other != variation),
    )


CHAIRS_ROTATION = PaperFigure(
    preset="chairs-rotation",
    title="3D chairs: rotation",
    section="Section 7.2, Figure 4 (a); appendix C.5, Tables 6 and 7",
    statement="Beside three Cat(20) codes, one Unif(-1, 1) becomes the chair's rotation.",
    panels=(Panel("(a) Rotation", named("rotation"), (-1.0, 1.0)),),
    metrics=(
        Metric(
            "azimuth, agreement of the code with the angle, by chair",
            only_code("azimuth", "circular_by_object"),
            target=0.8,
            needed=1,
        ),
        Metric("azimuth, the same with one zero for all chairs", only_code("azimuth", "circular")),
    ),
    seeds=2,
    steps=2_500,
    first_seed=120,  # seed 100 showed that residual networks find the whole turn
    paper_runs=BEST_OF_FIVE,
    best_of=5,
)

CHAIRS_WIDTH = PaperFigure(
    preset="chairs-width",
    title="3D chairs: width",
    section="Section 7.2, Figure 4 (b); appendix C.5, Tables 6 and 7",
    statement="Beside three Cat(20) codes, one Unif(-1, 1) becomes the chair's width.",
    panels=(Panel("(b) Width", named("width"), (-1.0, 1.0)),),
    metrics=(
        Metric(
            "width, rank correlation of the code on chairs not trained on", only_code("width", "spearman")
        ),
        Metric("azimuth, agreement of the code with the angle", only_code("azimuth", "circular")),
    ),
    remark="Only images that infogan renders have a known width. The recipe `robust` mirrors half of the "
    "images: no code can be the turn to left or right, and a code for how far a chair is turned from the "
    "front agrees with the angle by 4 / (3 pi) = .42.",
    seeds=2,
    steps=2_500,
    first_seed=110,  # the recipe had other networks when results of 100 and 101 were seen
    paper_runs=BEST_OF_FIVE,
    best_of=5,
)

FIGURES = {
    figure.preset: figure
    for figure in (MNIST, SVHN, CELEBA, *map(_faces, FACES), CHAIRS_ROTATION, CHAIRS_WIDTH)
}

for _figure in FIGURES.values():
    EXPERIMENTS.add(
        _figure.preset,
        Experiment(
            partial(reproduce, _figure),
            f"{_figure.title} ({_figure.section}).",
            frozenset({"recipe", "quick"}),
        ),
    )
