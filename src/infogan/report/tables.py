"""Codes as CSV, and an evaluation as lines of text."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from infogan import storage

_MOST_ATTRIBUTES = 8


def write_codes(
    path: Path, names: Sequence[str], codes: Mapping[str, np.ndarray], categorical: Collection[str]
) -> None:
    """Writes one row an image: its name, then every code.

    A categorical code fills a column with the most probable category and one with each probability.

    Args:
        path: of the CSV file.
        names: of the images.
        codes: as `InfoGAN.encode` gives them: [N] or [N, K] by name.
        categorical: the codes of one dimension whose columns are probabilities of categories.

    Raises:
        StorageError: the file cannot be written.
    """
    columns: dict[str, np.ndarray] = {}
    for name, values in codes.items():
        if values.ndim == 1:
            columns[name] = values
            continue
        if name in categorical:
            columns[name] = values.argmax(1)
        columns |= {f"{name}_{index}": column for index, column in enumerate(values.T)}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", *columns])
    for row, image in enumerate(names):
        writer.writerow([image, *(_cell(column[row]) for column in columns.values())])
    storage.write_file(path, text.getvalue().encode())


def _cell(value: np.generic) -> str:
    return str(value) if isinstance(value, np.integer) else f"{float(value):.5f}"


def evaluation_text(scores: Mapping[str, Any]) -> str:
    """What `infogan evaluate` shows: a line a code, then how the categories sort the classes."""
    lines = [
        f"{scores['dataset']}: {scores['steps']:,} steps, {scores['weights']} weights; "
        f"measured on {scores['images']:,} {scores['split']} images"
    ]
    for name, code in scores["codes"].items():
        nats, error = code["mutual_information_nats"], code["mutual_information_nats_standard_error"]
        discrete = "std" not in code
        text = f"  {name}: {nats:.3f}" + (f" of {code['entropy_nats']:.3f}" if discrete else "")
        text += f" nats (standard error {error:.3f})"
        if not discrete:
            text += f", std {code['std']:.2f}, R^2 on generated images {code['r2_fake']:.2f}"
        lines.append(text)
        if "verdict" in code:
            lines.append(f"    {verdict_text(code)}")
    if "clustering" in scores:
        lines += _clustering_lines(scores)
    for part in (
        _real_lines,
        _variance_lines,
        _factor_lines,
        _disentanglement_lines,
        _probe_lines,
        _brightness_lines,
        _context_lines,
        _attribute_lines,
        _fidelity_lines,
    ):
        lines += part(scores)
    return "\n".join(lines)


_VERDICTS = {
    "used": "used: pictures change with it, and it can be read back from them",
    "dead": "dead: pictures do not show it",
    "hidden": "hidden: read only from changes too small to be seen, which do not survive {lost}",
    "duplicate": "duplicate of {of}: on real images both say the same",
    "entangled": "entangled with {of}: both change the same, or say much of the same on real images",
}


def verdict_text(code: Mapping[str, Any]) -> str:
    """The verdict on a code in plain words, with its share of all that varies in pictures.

    Args:
        code: its part of `codes` in evaluation.json.
    """
    survival = code["survival"]
    words = _VERDICTS[code["verdict"]].format(of=code.get("of"), lost=min(survival, key=survival.__getitem__))
    if "effect_interval" not in code:
        return words
    low, high = code["effect_interval"]
    return f"{words}; {code['effect']:.1%} of what varies in pictures ({low:.1%} to {high:.1%})"


def selection_text(found: Mapping[str, Any]) -> str:
    """What `infogan select` shows: a line a run, the best first, then what several runs found."""
    runs = found["runs"]
    lines = [
        f"read from {found['images']:,} real images, no label looked at; of each figure higher is better"
    ]
    for name in sorted(runs, key=lambda run: runs[run]["mean_rank"]):
        shown = [
            f"{key.replace('_', ' ')} {value:.3f}" for key, value in runs[name].items() if key != "mean_rank"
        ]
        chosen = "chosen: " if name == found["chosen"] else ""
        lines.append(f"  {chosen}{name}: mean rank {runs[name]['mean_rank']:.1f}; {', '.join(shown)}")
    lines.append(
        "the same factor in several runs:" if found["shared"] else "no two runs found the same factor"
    )
    for one in found["shared"]:
        codes = ", ".join(f"{code} of {run}" for run, code in one["codes"].items())
        lines.append(
            f"  found in {one['found_in']} of {len(runs)} runs, agreement {one['agreement']:.2f}: {codes}"
        )
    return "\n".join(lines)


def _real_lines(scores: Mapping[str, Any]) -> list[str]:
    untrained = scores.get("baselines", {}).get("untrained", {}).get("real", {})
    lines = []
    for name, found in scores.get("real", {}).items():
        beside = f"; untrained {untrained[name]['information_nats']:.3f}" if name in untrained else ""
        nats = _with_interval(found, "information_nats", 3)
        lines.append(f"  {name} of a real image and of its moved copy share {nats} nats{beside}")
    return lines


def _variance_lines(scores: Mapping[str, Any]) -> list[str]:
    found = scores.get("variance", {})
    shown = [f"{key} images {found[key]:.1f}" for key in ("real", "generated") if key in found]
    if "noise" in found:
        shown.append(f"noise alone {found['noise']:.1f}")
    return [f"  variance within categories: {', '.join(shown)}"] if shown else []


def _factor_lines(scores: Mapping[str, Any]) -> list[str]:
    lines = []
    for factor, found in scores.get("factors", {}).items():
        shown = [
            f"{_with_interval(found, f'spearman_{kind}', 2)} on {kind} images"
            for kind in ("generated", "real")
            if f"spearman_{kind}" in found
        ]
        if shown:
            shown[0] = f"rank correlation within categories {shown[0]}"
        shown += [
            f"{words} {_with_interval(found, key, 2)}{_beside(scores, factor, key)}"
            for key, words in (("spearman", "rank correlation"), ("circular", "agreement with the angle"))
            if key in found
        ]
        if "circular_by_object" in found:
            shown.append(f"{found['circular_by_object']:.2f} for each object apart")
        lines.append(f"  {factor}: code {found['code']}, {', '.join(shown)}")
    return lines


def _beside(scores: Mapping[str, Any], factor: str, key: str) -> str:
    """The same figure of the baselines, where they have it."""
    shown = [
        f"{name} {entry['factors'][factor][key]:.2f}"
        for name, entry in scores.get("baselines", {}).items()
        if key in entry.get("factors", {}).get(factor, {})
    ]
    return f" ({', '.join(shown)})" if shown else ""


def _probe_lines(scores: Mapping[str, Any]) -> list[str]:
    """By number of labels the mean score of a line on each kind of features, and of the network."""
    lines = []
    for what, found in probe_means(scores).items():
        for labels, means in found.items():
            shown = ", ".join(f"{who} {mean:.3f}" for who, mean in means.items())
            lines.append(f"  {what} by {labels} labels: {shown}")
    return lines


def probe_means(scores: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """Means over draws, by what is told ("accuracy", or R^2 of a factor), by labels, by what was fitted."""
    parts = {"accuracy": scores["probe"]} if "probe" in scores else {}
    parts |= {f"R^2 of {name}": found for name, found in scores.get("probe_factors", {}).items()}
    return {
        what: {
            labels: {who: sum(values) / len(values) for who, values in one.items()}
            for labels, one in found.items()
        }
        for what, found in parts.items()
    }


_PARTS = {"dci": "DCI", "infomec": "InfoMEC"}
_SCORES = {"factorvae": "FactorVAE", "betavae": "BetaVAE", "mig": "MIG", "sap": "SAP"}


def _disentanglement_lines(scores: Mapping[str, Any]) -> list[str]:
    """A line a score: the model's with its interval, and the baselines'."""
    found = scores.get("disentanglement", {})
    lines = [f"  codes as {', '.join(found['factors'])}:"] if found else []
    for path, (own, key) in _score_places(found).items():
        beside = [
            f"{name} {_score_places(entry['disentanglement'])[path][0][key]:.2f}"
            for name, entry in scores.get("baselines", {}).items()
            if "disentanglement" in entry
        ]
        lines.append(f"    {path} {_with_interval(own, key, 2)} ({', '.join(beside)})")
    return lines


def _score_places(found: Mapping[str, Any]) -> dict[str, tuple[Mapping[str, Any], str]]:
    """By the name that people know a score by: where it lies. A score is what has an interval beside it."""
    places = {_SCORES.get(key, key): (found, key) for key in found if f"{key}_interval" in found}
    for part, name in _PARTS.items():
        inner = found.get(part, {})
        places |= {f"{name} {key}": (inner, key) for key in inner if f"{key}_interval" in inner}
    return places


def _brightness_lines(scores: Mapping[str, Any]) -> list[str]:
    found = scores.get("brightness", {})
    shown = [
        f"{_with_interval(found, f'spearman_{kind}', 2)} on {kind} images"
        for kind in ("generated", "real")
        if f"spearman_{kind}" in found
    ]
    beside = [
        f"{name} {entry['brightness']['spearman_real']:.2f}"
        for name, entry in scores.get("baselines", {}).items()
        if "brightness" in entry
    ]
    told = f" ({', '.join(beside)})" if beside else ""
    return [f"  brightness: code {found['code']}, rank correlation {', '.join(shown)}{told}"] if shown else []


def _context_lines(scores: Mapping[str, Any]) -> list[str]:
    return [
        f"  {name}: {_with_interval(found, 'outside', 2)} of its change lies beside the middle, "
        f"{found['area']:.2f} of the picture"
        for name, found in scores.get("context", {}).items()
    ]


def _attribute_lines(scores: Mapping[str, Any]) -> list[str]:
    """The attributes that are told best on the images that chose; evaluation.json has all of them."""
    found = scores.get("attributes", {})
    best = sorted(found, key=lambda name: -found[name]["auc_choosing"])[:_MOST_ATTRIBUTES]
    lines = []
    for name in best:
        one = found[name]
        beside = [
            f"{who} {entry['attributes'][name]['auc']:.2f}"
            for who, entry in scores.get("baselines", {}).items()
            if name in entry.get("attributes", {})
        ]
        place = one["code"] + (f" = {one['category']}" if "category" in one else "")
        lines.append(
            f"  {name}: {'' if one['sense'] > 0 else 'not '}{place}, AUC {_with_interval(one, 'auc', 2)}"
            + (f" ({', '.join(beside)})" if beside else "")
        )
    return lines


_FIDELITY = {
    "precision": "precision",
    "recall": "recall",
    "frechet": "Fréchet distance",
    "kernel": "kernel distance",
}


def _fidelity_lines(scores: Mapping[str, Any]) -> list[str]:
    found = scores.get("fidelity", {})
    shown = [f"{words} {_with_interval(found, key, 3)}" for key, words in _FIDELITY.items() if key in found]
    return [f"  generated images: {', '.join(shown)}, in {found['features']}"] if shown else []


def _with_interval(found: Mapping[str, Any], key: str, decimals: int) -> str:
    low, high = (f"{bound:.{decimals}f}" for bound in found[f"{key}_interval"])
    return f"{found[key]:.{decimals}f} (95 %: {low} to {high})"


def _clustering_lines(scores: Mapping[str, Any]) -> list[str]:
    lines = []
    found = {"this model": scores, **scores.get("baselines", {})}
    for who, entry in found.items():
        if "clustering" not in entry:
            continue
        clustering = entry["clustering"]
        low, high = clustering["accuracy_interval"]
        lines.append(
            f"  {who}: accuracy {clustering['accuracy']:.4f} (95 %: {low:.4f} to {high:.4f}), "
            f"NMI {clustering['nmi']:.3f}, ARI {clustering['ari']:.3f}"
        )
    clustering = scores["clustering"]
    if "generated_purity" in clustering:
        lines.append(
            f"  images generated for a category belong to its class: {clustering['generated_purity']:.3f} "
            f"(by a classifier that is right on {clustering['classifier_accuracy']:.3f} of real ones)"
        )
    return lines
