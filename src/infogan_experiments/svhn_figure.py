"""Figure 5: light by a continuous code, context by a categorical one (section 7.2, appendix C.2)."""

from __future__ import annotations

from collections.abc import Sequence

from infogan import presets
from infogan.config import Categorical
from infogan_experiments.reproduction import enter
from infogan_experiments.targets import Judge, Panel, Reproduction, Scores, at

KINDS = [n for n, code in presets.load("svhn").latents.codes.items() if isinstance(code, Categorical)]


def _light(scores: Scores) -> Sequence[str]:
    return [scores["brightness"]["code"]] if "brightness" in scores else []


def _context(scores: Scores) -> Sequence[str]:
    """The categorical code of which the largest share of its change lies beside the centre."""
    shares = {name: found["outside"] for name, found in scores.get("context", {}).items()}
    return sorted(shares, key=shares.__getitem__)[-1:]


SVHN = enter(
    Reproduction(
        preset="svhn",
        title="SVHN: lighting and context",
        section="Section 7.2, Figure 5; appendix C.2, Table 2",
        claim=(
            "One continuous code varies the lighting, and one categorical code the context: the digits "
            "beside the one in the centre."
        ),
        panels=(
            Panel("(a) Continuous variation: lighting", _light, (-2.0, 2.0)),
            Panel("(b) Discrete variation: plate context", _context),
        ),
        judges=(
            *(
                Judge(
                    f"brightness, rank correlation of its code on {images} images",
                    at(f"brightness.spearman_{kind}"),
                    least,
                    1,
                )
                for kind, images, least in (("generated", "generated", 0.7), ("real", "test", 0.5))
            ),
            *(
                Judge(
                    f"share of the change by {kind} that lies beside the middle half of the picture",
                    at(f"context.{kind}.outside"),
                )
                for kind in KINDS
            ),
        ),
        remark=(
            "How far the paper moves the continuous code is not known here: -2 to 2 is our choice, as in "
            "Figure 2. Brightness is the largest component of these pixels: PCA, beside it, finds it "
            "nearly whole."
        ),
        seeds=1,
        steps=6_000,
        paper_runs="The paper tells of one run, and not how long it was.",
        across=2,
    )
)
