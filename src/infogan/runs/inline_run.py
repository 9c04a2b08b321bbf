"""A run as HTML for notebooks: its state, its last metrics and its newest pictures. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from infogan import inline_html
from infogan.config import Config
from infogan.errors import InfoGANError
from infogan.runs import health, metrics_log

if TYPE_CHECKING:
    from infogan.runs.directory import RunDirectory


def html(run: RunDirectory) -> str:
    """Return a run as HTML; one that cannot be read as a sentence that says why."""
    try:
        config, lines = run.read_config(), metrics_log.read(run.metrics_path)
    except InfoGANError as error:
        return inline_html.block(str(run.path), inline_html.line(error.happened))
    parts = [inline_html.line(_summary(config))]
    if lines:
        last = lines[-1]
        parts.append(inline_html.line(f"step {last['step']:,} of {config.training.steps:,}"))
        rows = [
            (name, f"{nats:.2f}", f"{ceiling:.2f}" if (ceiling := last["ceiling"].get(name)) else "")
            for name, nats in last.get("mutual_information", {}).items()
        ]
        parts.append(inline_html.table(("code", "information in nats", "of at most"), rows))
        parts += [inline_html.line(f"warning: {text}") for text in health.replay(lines).messages()]
    elif run.selection_path.is_file():
        parts.append(inline_html.line("several seeds; the model is that of the best one"))
    else:
        parts.append(inline_html.line("no step has been logged yet"))
    parts += [inline_html.picture_file(path, text, 360) for path, text in _pictures(run)]
    return inline_html.block(str(run.path), *parts)


def _summary(config: Config) -> str:
    data = config.data
    size = f", {data.size}x{data.size}x{data.channels}" if data.size and data.channels else ""
    return f"{config.preset}{size}; recipe {config.training.recipe}, seed {config.training.seed}"


def _pictures(run: RunDirectory) -> list[tuple[Path, str]]:
    """Return the newest samples, and the newest traversal of the first code."""
    samples = sorted(run.samples.glob("step-*.png"))[-1:]
    first = next(iter(run.read_config().latents.codes), "")
    traversals = sorted(run.traversals.glob(f"step-*-{first}.png"))[-1:]
    return [(path, "samples") for path in samples] + [(path, f"traversal of {first}") for path in traversals]
