"""Warnings about a training run, from the lines of metrics.jsonl alone: no labels and no torch.

Each warning is a function. It receives the recent lines and returns the subjects (codes, categories, losses)
whose values indicate a problem. A warning starts when its condition has held for a number of steps. It is
logged when it starts and when it ends. Missing values are skipped, so that runs of any recipe and version can
be checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infogan.errors import StorageError

Line = Mapping[str, Any]
"""One line of metrics.jsonl: means over the 20 steps up to its "step"."""

Check = Callable[[Sequence[Line]], dict[str, str | None]]
"""Receives the lines of the last `LOOK_BACK` steps, the newest last. Returns one entry per subject ("" if
there is only one): the measured value as text if it indicates a problem, and else None."""

LOOK_BACK = 100
"""Number of recent steps whose lines a check receives."""

CALM = 200
"""A warning ends when its condition has not held for this number of steps."""

MAX_LISTED = 5
"""Maximum number of subjects in one message."""


@dataclass(frozen=True)
class Rule:
    """A registered warning.

    Attributes:
        name: the name of the warning in metrics.jsonl.
        check: the condition.
        window: number of steps during which the condition must hold on every line.
        grace: first step at which the warning can start; the window may begin earlier.
        meaning: one or two sentences for a reader who does not know GANs.
        advice: settings or commands to try; {subject} is replaced by the first subject.
    """

    name: str
    check: Check
    window: int
    grace: int
    meaning: str
    advice: str


WARNINGS: dict[str, Rule] = {}


def warning(name: str, *, window: int, grace: int = 0, meaning: str, advice: str) -> Callable[[Check], Check]:
    """Register a check as a warning; the arguments are those of `Rule`."""

    def register(check: Check) -> Check:
        WARNINGS[name] = Rule(name, check, window, grace, meaning, advice)
        return check

    return register


# --- the warnings ----------------------------------------------------------------------------------------


@warning(
    "stuck",
    window=500,
    meaning="Training has failed: either one of the two networks has become too strong, or no code has an "
    "effect "
    "on the images. The authors of InfoGAN stop such a run.",
    advice="start a new run with another seed (--seed 1), with --recipe robust, or with a smaller learning "
    "rate (--set learning_rate_discriminator=1e-4)",
)
def stuck(recent: Sequence[Line]) -> dict[str, str | None]:
    """Check the authors' rule, where "for many epochs" is 500 steps here.

    One of these holds: the smallest loss is below 0.001 nats, D(fake) is below 1%, the sum of the bounds of
    the continuous codes is below 0, or that of the discrete codes is below 0.01 nats. In successful runs, the
    bounds of the continuous codes took up to 280 steps to rise above 0.
    """
    line = recent[-1]
    findings: dict[str, str | None] = {}
    losses, fake = line.get("loss", {}).values(), _value(line, "scores", "fake")
    if losses:
        findings["smallest loss"] = _if(min(losses) < 1e-3, f"{min(losses):.1g} nats")
    if fake is not None:
        findings["D(fake), the mean output for generated images"] = _if(fake < 0.01, f"{fake:.1%}")
    bounds, discrete = _learned_bounds(line), line.get("ceiling", {})
    for kind, limit, names in (
        ("continuous", 0.0, [name for name in bounds if name not in discrete]),
        ("discrete", 0.01, [name for name in bounds if name in discrete]),
    ):
        if names:
            nats = sum(bounds[name] for name in names)
            findings[f"information of all {kind} codes"] = _if(nats < limit, f"{nats:.2f} nats")
    return findings


@warning(
    "category-unused",
    window=200,
    grace=500,
    meaning="Almost no real image belongs to this category, so the code distinguishes fewer groups of images "
    "than it could.",
    advice="use --recipe robust with a larger weight, such as --set marginal_weight=3; or use fewer "
    "categories if the images have fewer groups",
)
def category_unused(recent: Sequence[Line]) -> dict[str, str | None]:
    """Check for a category with less than 0.1 / K of the real images, a tenth of a uniform share.

    Real classes are rarely that small. In successful runs on digits, every category has more than 0.7 / K.
    """
    return {
        f"{code} {category}": _if(share < 0.1 / len(usage), f"{share:.1%} of the real images")
        for code, entry in recent[-1].get("real", {}).items()
        for usage in [entry.get("usage", [])]
        for category, share in enumerate(usage)
    }


MARGIN = 0.01
"""Nats by which the gain of a split must exceed the loss of a merge, for this warning and for category
repair."""

FORMED = 0.5
"""Share of ln K that a code must carry on real images; below it, merge losses and split gains mean
nothing."""


@warning(
    "code-stuck",
    window=200,
    grace=700,
    meaning="Two categories of the code share one group of images, and another category contains two groups.",
    advice="start a new run with another seed (--seed 1); or let --recipe robust repair categories for "
    "longer, with --set repair_end=3000",
)
def code_stuck(recent: Sequence[Line]) -> dict[str, str | None]:
    """Check if splitting one category would gain more information than merging two others would lose.

    In measurements, merging two categories of the same group loses 0.01 to 0.04 nats, and merging two of
    different groups 0.09 nats or more. Splitting a category with two groups gains 0.04 to 0.07 nats, and
    splitting another 0.02. All values are small while categories form, so a code is checked only once it
    carries the share `FORMED`. The grace period is long enough for two attempts of category repair.
    """
    findings: dict[str, str | None] = {}
    for code, entry, formed in _formed_codes(recent[-1]):
        if not (entry.get("merge") and entry.get("split")):
            continue
        merged, (i, j) = entry["merge"]["nats"], entry["merge"]["twins"]
        gained, k = entry["split"]["nats"], entry["split"]["double"]
        findings[code] = _if(
            formed and k not in (i, j) and gained > merged + MARGIN,
            f"merging categories {i} and {j} would lose only {merged:.2f} nats, but splitting {k} would gain "
            f"{gained:.2f} nats",
        )
    return findings


CLOSE = 0.5
"""Two categories count as close if their distance is below this share of the typical one."""


@warning(
    "categories-close",
    window=200,
    grace=1_000,
    meaning="Two categories are much more similar than a typical pair. They may divide one group of images, "
    "or "
    "separate two groups at the wrong boundary.",
    advice="look at images of both categories with infogan traverse RUN; train several seeds with --seeds 4; "
    "or use fewer categories",
)
def categories_close(recent: Sequence[Line]) -> dict[str, str | None]:
    """Check if merging two categories loses less than half as much as merging a typical pair (the median).

    On MNIST, pairs that category repair re-partitioned had ratios of 0.16 to 0.24 before, and of 0.7 or more
    after. The grace period is long enough for two attempts of category repair.
    """
    findings: dict[str, str | None] = {}
    for code, entry, formed in _formed_codes(recent[-1]):
        merge = entry.get("merge", {})
        if "usual_nats" in merge:
            (i, j), nats, usual = merge["twins"], merge["nats"], merge["usual_nats"]
            text = f"categories {i} and {j} differ by {nats:.2f} nats, a typical pair by {usual:.2f}"
            findings[code] = _if(formed and nats < CLOSE * usual, text)
    return findings


@warning(
    "code-ignored",
    window=200,
    grace=600,
    meaning="The generator ignores this code: it cannot be predicted from the generated images.",
    advice="increase the weight of the code, for example --set latents.codes.{subject}.info_weight=0.5 for a "
    "continuous code, or 2 for another code; or remove the code if the images have no further factor",
)
def code_ignored(recent: Sequence[Line]) -> dict[str, str | None]:
    """Check for a discrete code below 5% of its entropy, or a continuous code with at most 0.01 nats.

    If Q has learned nothing, the bound of a continuous code is -0.18 nats, or about 0 if Q can predict the
    prior itself, as for periodic codes. Successful runs are above 20% at step 20, and above 0 nats at step
    320.
    """
    findings: dict[str, str | None] = {}
    for name, nats in _learned_bounds(recent[-1]).items():
        ceiling = recent[-1].get("ceiling", {}).get(name)
        ignored = nats <= 0.01 if ceiling is None else nats < 0.05 * ceiling
        findings[name] = _if(ignored, f"{nats:.2f}" + (f" of {ceiling:.2f}" if ceiling else "") + " nats")
    return findings


@warning(
    "noise-dead",
    window=200,
    grace=1_000,
    meaning="The generator ignores the noise: images with the same codes are nearly identical.",
    advice="use --recipe robust; with this recipe, use a larger weight, --set mode_seeking_weight=0.01",
)
def noise_dead(recent: Sequence[Line]) -> dict[str, str | None]:
    """Check if the noise causes less than a tenth of the variance of generated images.

    Successful runs of `robust` can be below this share until step 800. If generated images have no variance,
    there is no warning here, but `collapse` warns.
    """
    noise, generated = (_value(recent[-1], "variance", key) for key in ("noise", "generated"))
    if noise is None or generated is None:
        return {}
    share = noise / generated if generated else 0.0
    return {"": _if(noise < 0.1 * generated, f"noise causes {share:.1%} of the variance of generated images")}


@warning(
    "discriminator-ahead",
    window=200,
    meaning="The discriminator separates real from generated images almost without error, so the generator "
    "learns little from it.",
    advice="use a smaller learning rate, --set learning_rate_discriminator=1e-4; with few images, use "
    "--recipe robust, which augments them",
)
def discriminator_ahead(recent: Sequence[Line]) -> dict[str, str | None]:
    """Check if D(real) is above 97% and D(fake) below 3%, or if D's loss is below 0.1 nats.

    The loss is the sum over real and generated images. Guessing gives 1.39 nats, and successful runs stay
    above 0.7.
    """
    real, fake = (_value(recent[-1], "scores", key) for key in ("real", "fake"))
    loss = _value(recent[-1], "loss", "discriminator")
    if loss is not None and loss < 0.1:
        return {"": f"its loss is {loss:.3f} nats, where guessing gives 1.39"}
    if real is not None and fake is not None:
        return {"": _if(real > 0.97 and fake < 0.03, f"D(real) is {real:.1%} and D(fake) is {fake:.1%}")}
    return {} if loss is None else {"": None}


@warning(
    "collapse",
    window=200,
    grace=300,
    meaning="Mode collapse: the generated images are much more similar to each other than the real images "
    "are.",
    advice="use mode seeking, --set mode_seeking_weight=0.01, or a smaller learning rate, "
    "--set learning_rate_generator=5e-4",
)
def collapse(recent: Sequence[Line]) -> dict[str, str | None]:
    """Check if the variance of generated images is less than a tenth of that of real images."""
    generated, real = (_value(recent[-1], "variance", key) for key in ("generated", "real"))
    if generated is None or real is None:
        return {}
    share = generated / real if real else 0.0
    return {"": _if(generated < 0.1 * real, f"the variance is {share:.1%} of that of real images")}


@warning(
    "near-divergence",
    window=0,
    meaning="Training may be about to diverge. It stops if one of these values exceeds 1,000 nats.",
    advice="use learning rates that are five times smaller, --set learning_rate_generator=2e-4 "
    "--set learning_rate_discriminator=4e-5",
)
def near_divergence(recent: Sequence[Line]) -> dict[str, str | None]:
    """Check for a loss above 20 nats or a bound below -20 nats, or for fast growth.

    Fast growth means that a loss, or minus a bound, exceeds 5 nats and ten times its lowest value in the last
    100 steps. A large positive bound is normal: a code with many dimensions carries much information. The
    warning starts at once, because the trainer may stop the run soon.
    """
    *before, now = recent
    findings: dict[str, str | None] = {}
    for section, sign, name in (("loss", 1, "loss of the {}"), ("mutual_information", -1, "bound of {}")):
        for key, value in now.get(section, {}).items():
            excess = max(sign * value, 0.0)
            past = [max(sign * line[section][key], 0.0) for line in before if key in line.get(section, {})]
            rising = excess > 5 and bool(past) and excess > 10 * min(past)
            findings[name.format(key)] = _if(excess > 20 or rising, f"{value:.1f} nats")
    return findings


# --- when a warning starts and ends ----------------------------------------------------------------------


@dataclass
class _Watch:
    """The state of one subject of one warning."""

    since: int | None = None
    calm_since: int | None = None
    active: bool = False
    measured: str = ""

    def update(self, rule: Rule, step: int, measured: str | None) -> bool:
        """Return True if the warning starts or ends with this line."""
        if measured is not None:
            self.calm_since, self.measured = None, measured
            self.since = step if self.since is None else self.since
            starts = not self.active and step >= rule.grace and step - self.since >= rule.window
            self.active = self.active or starts
            return starts
        if not self.active:
            self.since = None
            return False
        self.calm_since = step if self.calm_since is None else self.calm_since
        self.active = step - self.calm_since < CALM
        return not self.active


class Health:
    """The state of all warnings, updated with the lines of metrics.jsonl in their order."""

    def __init__(self) -> None:
        self._recent: list[Line] = []
        self._watches: dict[str, dict[str, _Watch]] = {name: {} for name in WARNINGS}

    def update(self, line: Line) -> list[str]:
        """Process the next line, and return messages about the warnings that start or end with it.

        Args:
            line: all keys but "step" may be missing.
        """
        step = line["step"]
        self._recent = [past for past in self._recent if past["step"] >= step - LOOK_BACK] + [line]
        messages = []
        for name, rule in WARNINGS.items():
            watches = self._watches[name]
            changed = {
                subject: watch
                for subject, measured in rule.check(self._recent).items()
                if (watch := watches.setdefault(subject, _Watch())).update(rule, step, measured)
            }
            if started := {subject: watch for subject, watch in changed.items() if watch.active}:
                messages.append(f"warning: {_message(rule, started)}")
            if ended := [subject for subject, watch in changed.items() if not watch.active]:
                subjects = f": {_listed(ended)}" if any(ended) else ""
                messages.append(f"resolved: {name} at step {step:,}{subjects}")
            for subject in ended:
                del watches[subject]
        return messages

    @property
    def active(self) -> list[str]:
        """The names of the active warnings, in the registry's order."""
        return [name for name in WARNINGS if self._active(name)]

    def messages(self) -> list[str]:
        """Return one message for each active warning."""
        return [_message(WARNINGS[name], self._active(name)) for name in self.active]

    def summary(self) -> list[str]:
        """Return the messages for the end of training: each active warning, or one line without any."""
        if messages := self.messages():
            return [f"health: {text}" for text in messages]
        needed = max(max(rule.grace, rule.window) for rule in WARNINGS.values())
        seen = self._recent[-1]["step"] if self._recent else 0
        return ["health: no warnings" + (f" so far (some need {needed:,} steps)" if seen < needed else "")]

    def _active(self, name: str) -> dict[str, _Watch]:
        return {subject: watch for subject, watch in self._watches[name].items() if watch.active}


def replay(lines: Iterable[Line]) -> Health:
    """Return the state after earlier lines, whose messages have been logged already.

    Raises:
        StorageError: a line has values of other types than infogan writes.
    """
    health = Health()
    for line in lines:
        try:
            health.update(line)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise StorageError(
                f"the line of step {line['step']} in metrics.jsonl is damaged: {error}",
                "a line that infogan wrote",
                f"delete the line of step {line['step']}",
            ) from None
    return health


def _message(rule: Rule, watches: Mapping[str, _Watch]) -> str:
    since = min(watch.since for watch in watches.values() if watch.since is not None)
    subjects = [f"{name} ({watch.measured})" if name else watch.measured for name, watch in watches.items()]
    advice = rule.advice.format(subject=next(iter(watches)))
    return f"{rule.name} since step {since:,}: {_listed(subjects)}. {rule.meaning} What to do: {advice}"


def _listed(parts: Sequence[str]) -> str:
    """Join the parts.

    If there are many, such as hundreds of categories, join the first ones and count the rest.
    """
    more = [f"and {len(parts) - MAX_LISTED} more"] if len(parts) > MAX_LISTED else []
    return ", ".join([*parts[:MAX_LISTED], *more])


# --- reading a line --------------------------------------------------------------------------------------


def _value(line: Line, section: str, key: str) -> float | None:
    value: float | None = line.get(section, {}).get(key)
    return value


def _formed_codes(line: Line) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Yield each code, its entry, and True if its categories are formed; skip incomplete entries."""
    for code, entry in line.get("real", {}).items():
        if "information_nats" in entry and "usage" in entry:
            yield code, entry, entry["information_nats"] > FORMED * math.log(len(entry["usage"]))


def _learned_bounds(line: Line) -> dict[str, float]:
    """Return the bounds except for codes with a fixed std: with std 1, a bound never exceeds -0.226 nats."""
    fixed = line.get("fixed_std", ())
    return {name: nats for name, nats in line.get("mutual_information", {}).items() if name not in fixed}


def _if(wrong: bool, measured: str) -> str | None:
    return measured if wrong else None
