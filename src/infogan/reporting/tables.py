"""The contents of evaluation.json as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from infogan.runs.code_names import CodeNames

_MAX_ATTRIBUTES = 8

METRICS = {
    "nmi": "NMI",
    "ari": "ARI",
    "auc": "AUC",
    "mig": "MIG",
    "sap": "SAP",
    "dci": "DCI",
    "infomec": "InfoMEC",
    "factorvae": "FactorVAE",
    "betavae": "BetaVAE",
    "kmeans": "k-means",
    "pca": "PCA",
    "spearman": "rank correlation",
    "spearman_generated": "rank correlation on generated images",
    "spearman_real": "rank correlation on real images",
    "information_nats": "information in nats",
    "most_probable_information_nats": "information of the most probable category in nats",
    "outside": "share of the change outside the middle strip",
    "frechet": "Fréchet distance",
    "kernel": "kernel distance",
}
"""Names of metrics and baselines whose key is not a good name."""


# --- one evaluation --------------------------------------------------------------------------------------


def evaluation_text(scores: Mapping[str, Any], names: CodeNames | None = None) -> str:
    """Return the text that `infogan evaluate` prints: one line for each code, then the other metrics.

    Args:
        scores: the contents of evaluation.json; metrics that it lacks are left out.
        names: names that the user gave to the codes; None: none.
    """
    titles = {code: code if names is None else names.titled(code) for code in scores["codes"]}
    head = (
        f"{scores['dataset']}: {scores['steps']:,} steps, {scores['weights']} weights; "
        f"evaluated on {scores['images']:,} {scores['split']} images"
    )
    parts = (
        partial(_codes, titles=titles),
        _clustering,
        _real_information,
        _variance,
        _factors,
        _disentanglement,
        _probes,
        _brightness,
        _context,
        _attributes,
        _fidelity,
    )
    return "\n".join([head, *(f"  {line}" for part in parts for line in part(scores))])


_VERDICTS = {
    "used": "used: it changes generated images and can be predicted from them",
    "dead": "dead: it can hardly be predicted from generated images",
    "hidden": "hidden: it can be predicted only from invisible changes, which do not survive {lost}",
    "duplicate": "duplicate of {of}: both codes have nearly the same values on real images",
    "entangled": "entangled with {of}: both codes change images in the same way, or have similar values on "
    "real images",
}


def verdict_text(code: Mapping[str, Any]) -> str:
    """Return the verdict on a code as a sentence, with its share of the variance of generated images.

    Args:
        code: the entry of the code under `codes` in evaluation.json.
    """
    survival = code["survival"]
    verdict = _VERDICTS[code["verdict"]].format(
        of=code.get("of"), lost=min(survival, key=survival.__getitem__)
    )
    if "effect_interval" not in code:
        return verdict
    low, high = code["effect_interval"]
    effect = f"{code['effect']:.1%} of the variance of generated images"
    return f"{verdict}; it causes {effect} (95% interval {low:.1%} to {high:.1%})"


def metric_name(key: str) -> str:
    """Return the name of a metric or a baseline."""
    return METRICS.get(key, key.replace("_", " "))


def value_at(scores: Any, path: Sequence[str]) -> Any:
    """Return the value at a path of keys in nested mappings, or None if there is none."""
    for key in path:
        scores = scores.get(key) if isinstance(scores, Mapping) else None
    return scores


def probe_means(scores: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """Return mean probe scores by metric ("accuracy" or "R^2 of FACTOR"), number of labels and features."""
    metrics = {"accuracy": scores["probe"]} if "probe" in scores else {}
    metrics |= {f"R^2 of {name}": entry for name, entry in scores.get("probe_factors", {}).items()}
    return {
        metric: {
            labels: {features: sum(values) / len(values) for features, values in entry.items()}
            for labels, entry in by_labels.items()
        }
        for metric, by_labels in metrics.items()
    }


def _codes(scores: Mapping[str, Any], titles: Mapping[str, str]) -> Iterator[str]:
    for code_name, code in scores["codes"].items():
        name = titles[code_name]
        nats, error = code["mutual_information_nats"], code["mutual_information_nats_standard_error"]
        if "std" in code:
            more = f", std {code['std']:.2f}, R^2 on generated images {code['r2_fake']:.2f}"
            yield f"{name}: {nats:.3f} nats (standard error {error:.3f}){more}"
        else:
            yield f"{name}: {nats:.3f} of {code['entropy_nats']:.3f} nats (standard error {error:.3f})"
        if "verdict" in code:
            yield f"  {verdict_text(code)}"


def _clustering(scores: Mapping[str, Any]) -> Iterator[str]:
    if "clustering" not in scores:
        return
    for name, entry in {"this model": scores, **scores.get("baselines", {})}.items():
        if clustering := entry.get("clustering"):
            accuracy = _with_interval(clustering, "accuracy", 4)
            yield f"{name}: accuracy {accuracy}, NMI {clustering['nmi']:.3f}, ARI {clustering['ari']:.3f}"
    clustering = scores["clustering"]
    if "generated_purity" in clustering:
        yield (
            f"purity of generated images: {clustering['generated_purity']:.3f}, by a classifier with an "
            f"accuracy of {clustering['classifier_accuracy']:.3f} on real images"
        )


def _real_information(scores: Mapping[str, Any]) -> Iterator[str]:
    for name, entry in scores.get("real", {}).items():
        nats = _with_interval(entry, "information_nats", 3)
        baselines = _baselines(scores, "real", name, "information_nats", decimals=3)
        yield f"information between {name} of a real image and of its augmented view: {nats} nats{baselines}"


def _variance(scores: Mapping[str, Any]) -> Iterator[str]:
    names = {"real": "real images", "generated": "generated images", "noise": "noise alone"}
    variance = scores.get("variance", {})
    if values := [f"{name} {variance[key]:.1f}" for key, name in names.items() if key in variance]:
        yield f"variance within categories: {', '.join(values)}"


def _factors(scores: Mapping[str, Any]) -> Iterator[str]:
    for factor, entry in scores.get("factors", {}).items():
        values = list(_correlations(entry))
        if values:
            values[0] = f"rank correlation within categories {values[0]}"
        values += [
            f"{name} {_with_interval(entry, key)}{_baselines(scores, 'factors', factor, key)}"
            for key, name in (("spearman", "rank correlation"), ("circular", "agreement with the angle"))
            if key in entry
        ]
        if "circular_by_object" in entry:
            values.append(f"{entry['circular_by_object']:.2f} within each object")
        yield f"{factor}: code {entry['code']}, {', '.join(values)}"


def _correlations(entry: Mapping[str, Any]) -> Iterator[str]:
    for source in ("generated", "real"):
        if f"spearman_{source}" in entry:
            yield f"{_with_interval(entry, f'spearman_{source}')} on {source} images"


def _disentanglement(scores: Mapping[str, Any]) -> Iterator[str]:
    if entry := scores.get("disentanglement"):
        yield f"scores of disentanglement for {', '.join(entry['factors'])}:"
        for path in scores_with_interval(entry):
            name = " ".join([METRICS.get(path[0], path[0]), *path[1:]])
            score = _with_interval(value_at(entry, path[:-1]), path[-1])
            yield f"  {name} {score}{_baselines(scores, 'disentanglement', *path)}"


def scores_with_interval(part: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of keys at which nested mappings have a score and its interval."""
    for key, value in part.items():
        if isinstance(value, Mapping):
            yield from scores_with_interval(value, (*path, key))
        elif f"{key}_interval" in part:
            yield (*path, key)


def _probes(scores: Mapping[str, Any]) -> Iterator[str]:
    for metric, by_labels in probe_means(scores).items():
        for labels, means in by_labels.items():
            values = ", ".join(f"{features} {mean:.3f}" for features, mean in means.items())
            yield f"{metric} with {labels} labels: {values}"


def _brightness(scores: Mapping[str, Any]) -> Iterator[str]:
    entry = scores.get("brightness", {})
    if values := ", ".join(_correlations(entry)):
        baselines = _baselines(scores, "brightness", "spearman_real")
        yield f"brightness: code {entry['code']}, rank correlation {values}{baselines}"


def _context(scores: Mapping[str, Any]) -> Iterator[str]:
    for name, entry in scores.get("context", {}).items():
        outside = _with_interval(entry, "outside")
        yield (
            f"{name}: share of its change outside the middle strip {outside}; "
            f"{entry['area']:.2f} for a uniform change"
        )


def _attributes(scores: Mapping[str, Any]) -> Iterator[str]:
    """Yield the attributes with the best AUC on the images that chose the codes."""
    attributes = scores.get("attributes", {})
    best = sorted(attributes, key=lambda name: -attributes[name]["auc_choosing"])
    for name in best[:_MAX_ATTRIBUTES]:
        entry = attributes[name]
        auc = _with_interval(entry, "auc") + _baselines(scores, "attributes", name, "auc")
        yield f"{name}: {predictor_text(entry)}, AUC {auc}"


def predictor_text(attribute: Mapping[str, Any]) -> str:
    """Return the code and category that predict an attribute: "hair = 3", or "not hair = 3"."""
    code = attribute["code"] + (f" = {attribute['category']}" if "category" in attribute else "")
    return code if attribute["sense"] > 0 else f"not {code}"


def _fidelity(scores: Mapping[str, Any]) -> Iterator[str]:
    entry = scores.get("fidelity", {})
    keys = [key for key in ("precision", "recall", "frechet", "kernel") if key in entry]
    values = [f"{metric_name(key)} {_with_interval(entry, key, 3)}" for key in keys]
    if values:
        yield f"generated images: {', '.join(values)}, in {entry['features']}"


def _with_interval(entry: Mapping[str, Any], key: str, decimals: int = 2) -> str:
    low, high = (f"{bound:.{decimals}f}" for bound in entry[f"{key}_interval"])
    return f"{entry[key]:.{decimals}f} (95%: {low} to {high})"


def _baselines(scores: Mapping[str, Any], *path: str, decimals: int = 2) -> str:
    """Return the same score of the baselines that have it, as " (NAME VALUE, ...)"."""
    values = {name: value_at(entry, path) for name, entry in scores.get("baselines", {}).items()}
    texts = [f"{name} {value:.{decimals}f}" for name, value in values.items() if value is not None]
    return f" ({', '.join(texts)})" if texts else ""


# --- several runs ----------------------------------------------------------------------------------------


def selection_text(selection: Mapping[str, Any]) -> str:
    """Return the text that `infogan select` prints: the runs, best first, then the factors they share.

    Args:
        selection: from `infogan.select`.
    """
    runs, shared = selection["runs"], selection["shared"]
    lines = [f"scores on {selection['images']:,} real images, without labels; higher is better"]
    for name in sorted(runs, key=lambda run: runs[run]["mean_rank"]):
        values = [
            f"{key.replace('_', ' ')} {value:.3f}" for key, value in runs[name].items() if key != "mean_rank"
        ]
        chosen = "selected: " if name == selection["chosen"] else ""
        lines.append(f"  {chosen}{name}: mean rank {runs[name]['mean_rank']:.1f}; {', '.join(values)}")
    lines.append("factors found by several runs:" if shared else "no factor was found by two or more runs")
    for factor in shared:
        codes = ", ".join(f"{code} of {run}" for run, code in factor["codes"].items())
        found_in = f"found in {factor['found_in']} of {len(runs)} runs"
        lines.append(f"  {found_in}, agreement {factor['agreement']:.2f}: {codes}")
    return "\n".join(lines)
