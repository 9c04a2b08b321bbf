"""Figure 2: digit type, rotation and width of MNIST's digits by three codes (section 7.2, appendix C.1)."""

from __future__ import annotations

from infogan_experiments.reproduction import enter
from infogan_experiments.targets import Judge, Panel, Reproduction, at, factor, matched, named

MNIST = enter(
    Reproduction(
        preset="mnist",
        title="MNIST: digit type, rotation and width",
        section="Section 7.2, Figure 2 (a), (c), (d); appendix C.1, Table 1",
        claim=(
            "A Cat(10) code finds the digit: matched to the ten digits, its categories err on 5 % of the "
            "images. Two Unif(-1, 1) codes find rotation and width, and do so from -2 to 2, too."
        ),
        panels=(
            Panel("(a) Digit type", named("digit")),
            Panel("(c) Rotation", matched("slant"), (-2.0, 2.0)),
            Panel("(d) Width or thickness", matched("width", "thickness"), (-2.0, 2.0)),
        ),
        judges=(
            Judge("accuracy on test images", at("clustering.accuracy"), 0.95),
            *(
                Judge(f"{stroke}, rank correlation on {images} images", factor(stroke, f"spearman_{kind}"))
                for stroke in ("slant", "width", "thickness")
                for kind, images in (("generated", "generated"), ("real", "test"))
            ),
        ),
        remark=(
            "Panel (b), a regular GAN without codes, is left out: `infogan reproduce figure1` measures "
            "it. The third panel is of the code that became width, or thickness where none did."
        ),
        seeds=5,
        steps=5_000,
        paper_runs="The paper tells of one run; the authors' code runs 5,000 steps.",
        across=3,
    )
)
