"""Whether a run goes well, from the lines of metrics.jsonl alone: without labels, and without torch.

A warning is one function here: it looks at the newest line (and the few before it) and says what is wrong, by
code, category or figure. It begins only after that has held for a while, is told once when it begins and
once when it is over. A figure that a line lacks is not judged, so lines of any recipe and age can be read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Line = Mapping[str, Any]
"""One line of metrics.jsonl: means over the 20 steps up to its "step"."""

Check = Callable[[Sequence[Line]], dict[str, str | None]]
"""From the lines of the last `LOOK_BACK` steps, the newest last: by subject (a code, a category; "" where
there is only one) the figures that are wrong, or None where they are right. What a line says nothing of is
left out."""

LOOK_BACK = 100
"""Steps of which a check sees the lines."""

CALM = 200
"""Steps for which a warning's condition must not have held before the warning is over."""

LISTED = 5
"""Subjects that one message names."""


@dataclass(frozen=True)
class Rule:
    """A warning as it stands in the registry.

    Attributes:
        name: as metrics.jsonl names it.
        check: the condition.
        window: steps for which the condition must have held on every line.
        grace: the warning never begins before this step; what held before it counts for the window.
        what: what it means, in a sentence for somebody who knows no GANs.
        advice: a setting or command; {subject} stands for what the check names.
    """

    name: str
    check: Check
    window: int
    grace: int
    what: str
    advice: str


WARNINGS: dict[str, Rule] = {}


def warning(name: str, *, window: int, grace: int = 0, what: str, advice: str) -> Callable[[Check], Check]:
    """Enters a check into the registry; arguments as `Rule` has them."""

    def enter(check: Check) -> Check:
        WARNINGS[name] = Rule(name, check, window, grace, what, advice)
        return check

    return enter


# --- the warnings ----------------------------------------------------------------------------------------


@warning(
    "stuck",
    window=500,
    what="The authors of InfoGAN stop such a run: one of the two networks has won, or no code shows in the "
    "images, and nothing more is learned.",
    advice="begin again with another seed, --seed 1, with --recipe robust, or with smaller steps, "
    "--set learning_rate_discriminator=1e-4",
)
def stuck(recent: Sequence[Line]) -> dict[str, str | None]:
    """The authors' rule (PAPER: shared settings, their code), "for many epochs" read as 500 steps.

    The smaller loss below 0.001 nats, D(fake) below 1 %, the bounds of all continuous codes together below 0,
    or those of all discrete codes below 0.01 nats. Healthy runs have been seen to need 280 steps until the
    continuous codes' bounds rise above 0.
    """
    line = recent[-1]
    found: dict[str, str | None] = {}
    losses, fake = line.get("loss", {}).values(), _figure(line, "scores", "fake")
    if losses:
        found["the smaller loss"] = _when(min(losses) < 1e-3, f"{min(losses):.1g} nats")
    if fake is not None:
        found["generated images"] = _when(fake < 0.01, f"judged real with {_percent(fake)} on average")
    bounds, discrete = _judged_bounds(line), line.get("ceiling", {})
    for kind, limit, names in (
        ("continuous", 0.0, [name for name in bounds if name not in discrete]),
        ("discrete", 0.01, [name for name in bounds if name in discrete]),
    ):
        if names:
            nats = sum(bounds[name] for name in names)
            found[f"all {kind} codes together"] = _when(nats < limit, f"{nats:.2f} nats")
    return found


@warning(
    "category-unused",
    window=200,
    grace=500,
    what="Almost no real image is read as such a category, so the code tells fewer kinds of image apart than "
    "it could.",
    advice="--recipe robust, and there a larger --set marginal_weight=3; or fewer categories, if the images "
    "are of fewer kinds",
)
def category_unused(recent: Sequence[Line]) -> dict[str, str | None]:
    """A category that is read from less than a tenth of its fair share of the real images, 1/K.

    Real classes are seldom that rare; healthy runs on digits keep every category above 0.7 of its share.
    """
    found: dict[str, str | None] = {}
    for place, entry in recent[-1].get("real", {}).items():
        usage = entry.get("usage", [])
        for category, share in enumerate(usage):
            unused = share < 0.1 / len(usage)
            found[f"{place} {category}"] = _when(unused, f"{_percent(share)} of the real images")
    return found


MARGIN = 0.01
"""Nats by which a split must gain more than a merge loses, here and for the remedy."""

FORMED = 0.5
"""Share of ln K that a code must carry on real images before its gains and losses mean anything."""


@warning(
    "code-stuck",
    window=200,
    grace=700,
    what="The code is stuck: two of its categories share one kind of image, while another holds two kinds.",
    advice="begin again with another seed, --seed 1; or let --recipe robust mend it for longer, "
    "--set repair_end=3000",
)
def code_stuck(recent: Sequence[Line]) -> dict[str, str | None]:
    """Splitting one category gains more than merging two others loses (`split_merge.Diagnosis.stuck`).

    Twins have been seen to lose 0.01 to 0.04 nats and healthy pairs 0.09 and more; a category of two kinds to
    gain 0.04 to 0.07 and others 0.02. All of them are small while the categories still form: the code is
    judged from `FORMED` on. The grace is two attempts of the remedy, from step 500.
    """
    found: dict[str, str | None] = {}
    for place, entry in recent[-1].get("real", {}).items():
        merge, split, formed = entry.get("merge"), entry.get("split"), _formed(entry)
        if formed is None or not (merge and split):
            continue
        (i, j), k = merge["twins"], split["double"]
        wrong = formed and k not in (i, j) and split["nats"] > merge["nats"] + MARGIN
        found[place] = _when(
            wrong,
            f"categories {i} and {j} are alike, telling them apart is worth {merge['nats']:.2f} nats; {k} "
            f"holds two kinds, worth {split['nats']:.2f} nats",
        )
    return found


CLOSE = 0.5
"""Share of the usual nats between two categories below which their division is doubtful."""


@warning(
    "categories-close",
    window=200,
    grace=1_000,
    what="Two categories lie much closer to each other than categories usually do: they may divide one kind "
    "of image, or two kinds along the wrong line.",
    advice="look at images of both, infogan traverse RUN; begin again with several seeds, --seeds 4; or use "
    "fewer categories",
)
def categories_close(recent: Sequence[Line]) -> dict[str, str | None]:
    """Merging two categories loses less than half of what merging a usual pair, the median, loses.

    On MNIST pairs that a remedy then divided anew were seen at 0.16 to 0.24, and near 0.7 and above after it.
    The grace is two attempts of the remedy.
    """
    found: dict[str, str | None] = {}
    for place, entry in recent[-1].get("real", {}).items():
        merge, formed = entry.get("merge", {}), _formed(entry)
        if formed is None or "usual_nats" not in merge:
            continue
        i, j = merge["twins"]
        close = formed and merge["nats"] < CLOSE * merge["usual_nats"]
        nats = f"{merge['nats']:.2f} nats apart, {merge['usual_nats']:.2f} are usual"
        found[place] = _when(close, f"categories {i} and {j}, {nats}")
    return found


@warning(
    "code-ignored",
    window=200,
    grace=600,
    what="The generated images hardly depend on such a code: turning it changes nothing that could be read "
    "back from them.",
    advice="a larger weight for the code, such as --set latents.codes.{subject}.info_weight=0.5 for a "
    "continuous one and 2 for others; or leave the code out, if nothing more varies in the images",
)
def code_ignored(recent: Sequence[Line]) -> dict[str, str | None]:
    """A discrete code below 5 % of its ceiling, a continuous one at 0.01 nats or below.

    A Q that knows nothing gives -0.18, or 0 but for chance where it can answer with the prior itself, as for
    periodic codes. Healthy runs have been seen above 20 % by step 20, and above 0 nats by step 320 at the
    latest.
    """
    line = recent[-1]
    found: dict[str, str | None] = {}
    for name, nats in _judged_bounds(line).items():
        ceiling = line.get("ceiling", {}).get(name)
        ignored = nats <= 0.01 if ceiling is None else nats < 0.05 * ceiling
        of = "" if ceiling is None else f" of {ceiling:.2f}"
        found[name] = _when(ignored, f"{nats:.2f}{of} nats")
    return found


@warning(
    "noise-dead",
    window=200,
    grace=1_000,
    what="Images of the same codes are nearly all alike: the noise, which should make each of them "
    "different, is ignored.",
    advice="--recipe robust; where that is the recipe, --set mode_seeking_weight=0.01",
)
def noise_dead(recent: Sequence[Line]) -> dict[str, str | None]:
    """The noise makes less than a tenth of the generated images' variance.

    In healthy runs of `robust` it has been seen below that up to step 800.
    """
    noise, generated = (_figure(recent[-1], "variance", key) for key in ("noise", "generated"))
    if noise is None or generated is None:
        return {}
    # Where nothing varies at all there is no share to speak of: that is `collapse`.
    dead = noise < 0.1 * generated
    return {"": _when(dead, f"{_percent(noise / generated if generated else 0.0)} of what varies")}


@warning(
    "discriminator-ahead",
    window=200,
    what="The network that judges images tells real from generated ones almost without error, so the "
    "generator learns little from it.",
    advice="--set learning_rate_discriminator=1e-4; with few images --recipe robust, which shows each of "
    "them changed a little",
)
def discriminator_ahead(recent: Sequence[Line]) -> dict[str, str | None]:
    """D(real) above 97 % and D(fake) below 3 %, or D's loss below 0.1 nats.

    The loss is the sum for real and generated images, 1.39 nats where D knows nothing; healthy runs have been
    seen above 0.7.
    """
    line = recent[-1]
    real, fake = _figure(line, "scores", "real"), _figure(line, "scores", "fake")
    loss = _figure(line, "loss", "discriminator")
    if loss is not None and loss < 0.1:
        return {"": f"its loss is {loss:.3f} nats, of 1.39 for guessing"}
    if real is not None and fake is not None:
        ahead = real > 0.97 and fake < 0.03
        return {"": _when(ahead, f"{_percent(real)} for real images, {_percent(fake)} for generated ones")}
    return {} if loss is None else {"": None}


@warning(
    "collapse",
    window=200,
    grace=300,
    what="The generated images are far more alike than the real ones: the generator has come down to a few "
    "pictures.",
    advice="--set mode_seeking_weight=0.01, or smaller steps, --set learning_rate_generator=5e-4",
)
def collapse(recent: Sequence[Line]) -> dict[str, str | None]:
    """The variance of generated images is less than a tenth of the real ones'."""
    generated, real = (_figure(recent[-1], "variance", key) for key in ("generated", "real"))
    if generated is None or real is None:
        return {}
    share = f"{_percent(generated / real if real else 0.0)} of the real images' variance"
    return {"": _when(generated < 0.1 * real, share)}


@warning(
    "near-divergence",
    window=0,
    what="The numbers of training grow as they do before they run away; training stops itself where they "
    "pass 1,000 nats.",
    advice="a fifth of the learning rates, --set learning_rate_generator=2e-4 "
    "--set learning_rate_discriminator=4e-5",
)
def near_divergence(recent: Sequence[Line]) -> dict[str, str | None]:
    """A loss above 20 nats or a bound below -20; or above 5, and tenfold within 100 steps.

    A large positive bound is no danger: a code of many dimensions carries much. It is told at once, since
    `trainer.py` may stop the run soon.
    """
    *before, now = recent
    found: dict[str, str | None] = {}
    for section, sign, name in (("loss", 1, "loss of the {}"), ("mutual_information", -1, "bound of {}")):
        for key, value in now.get(section, {}).items():
            badness = max(sign * value, 0.0)
            past = [max(sign * line[section][key], 0.0) for line in before if key in line.get(section, {})]
            rising = badness > 5 and bool(past) and badness > 10 * min(past)
            found[name.format(key)] = _when(badness > 20 or rising, f"{value:.1f} nats")
    return found


# --- when a warning begins and when it is over -----------------------------------------------------------


@dataclass
class _Watch:
    """One subject of one warning: since when its condition has held, or hasn't any more."""

    since: int | None = None
    calm: int | None = None
    active: bool = False
    figures: str = ""

    def see(self, rule: Rule, step: int, figures: str | None) -> bool:
        """Whether the warning begins or is over with this line."""
        if figures is None:
            if not self.active:
                self.since = None
                return False
            self.calm = step if self.calm is None else self.calm
            if step - self.calm < CALM:
                return False
            self.active = False
            return True
        self.calm, self.figures = None, figures
        self.since = step if self.since is None else self.since
        if self.active or step < rule.grace or step - self.since < rule.window:
            return False
        self.active = True
        return True


class Health:
    """The state of all warnings after the lines seen: a function of these lines, in their order."""

    def __init__(self) -> None:
        self._recent: list[Line] = []
        self._watches: dict[str, dict[str, _Watch]] = {name: {} for name in WARNINGS}

    def see(self, line: Line) -> list[str]:
        """Takes in the next line; what is to be told: warnings that begin with it or are over.

        Args:
            line: any keys but "step" may be missing.
        """
        step = line["step"]
        self._recent = [kept for kept in self._recent if kept["step"] >= step - LOOK_BACK] + [line]
        told = []
        for name, rule in WARNINGS.items():
            watches = self._watches[name]
            turned = {
                subject: watch
                for subject, figures in rule.check(self._recent).items()
                if (watch := watches.setdefault(subject, _Watch())).see(rule, step, figures)
            }
            begun = {subject: watch for subject, watch in turned.items() if watch.active}
            if begun:
                told.append(f"warning: {_sentence(rule, begun)}")
            over = {subject: watch for subject, watch in turned.items() if not watch.active}
            if over:
                of = f": {_listed(list(over))}" if any(over) else ""
                told.append(f"no longer {name}, from step {step:,} on{of}")
            for watch in over.values():
                watch.since = watch.calm = None
        return told

    @property
    def active(self) -> list[str]:
        """Names of the warnings that now stand, in the registry's order."""
        return [name for name in WARNINGS if self._standing(name)]

    def standing(self) -> list[str]:
        """A sentence for each warning that now stands."""
        return [_sentence(WARNINGS[name], self._standing(name)) for name in self.active]

    def summary(self) -> list[str]:
        """What the end of a training says: every warning that stands, or that there is none."""
        standing = [f"health: {text}" for text in self.standing()]
        needed = max(max(rule.grace, rule.window) for rule in WARNINGS.values())
        seen = self._recent[-1]["step"] if self._recent else 0
        early = f" yet (some warnings need {needed:,} steps)" if seen < needed else ""
        return standing or [f"health: nothing to report{early}"]

    def _standing(self, name: str) -> dict[str, _Watch]:
        return {subject: watch for subject, watch in self._watches[name].items() if watch.active}


def replay(lines: Iterable[Line]) -> Health:
    """The health after lines that were written before, without telling anything again."""
    health = Health()
    for line in lines:
        health.see(line)
    return health


def _sentence(rule: Rule, watches: Mapping[str, _Watch]) -> str:
    since = min(watch.since for watch in watches.values() if watch.since is not None)
    found = [f"{name} ({watch.figures})" if name else watch.figures for name, watch in watches.items()]
    advice = rule.advice.format(subject=next(iter(watches)))
    return f"{rule.name} since step {since:,}: {_listed(found)}. {rule.what} What to do: {advice}"


def _listed(parts: Sequence[str]) -> str:
    """All of a few, the first of many: a code of hundreds of categories must not fill the screen."""
    more = [f"and {len(parts) - LISTED} more"] if len(parts) > LISTED else []
    return ", ".join([*parts[:LISTED], *more])


# --- reading a line --------------------------------------------------------------------------------------


def _figure(line: Line, section: str, key: str) -> float | None:
    value: float | None = line.get(section, {}).get(key)
    return value


def _bounds(line: Line) -> Mapping[str, float]:
    bounds: Mapping[str, float] = line.get("mutual_information", {})
    return bounds


def _formed(entry: Mapping[str, Any]) -> bool | None:
    """Whether categories carry enough for gains and losses to mean anything; None where nothing says so."""
    if not ("information_nats" in entry and "usage" in entry):
        return None
    return bool(entry["information_nats"] > FORMED * math.log(len(entry["usage"])))


def _judged_bounds(line: Line) -> Mapping[str, float]:
    """Without those read with a fixed std: at 1 none can rise above -0.226 nats, however well it is read."""
    return {name: nats for name, nats in _bounds(line).items() if name not in line.get("fixed_std", ())}


def _when(wrong: bool, figures: str) -> str | None:
    return figures if wrong else None


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
