"""The Prometheus metrics that evaluations of a pack declare: which can be exported."""

import re
from collections.abc import Iterable, Iterator

from omnia_core.files.pack.prompt import Eval, Metric

PREFIX = "omnia_eval_"
MOST_METRICS = 100
MOST_LABELS = 10
# The labels that every series has.
OWN_LABELS = ("agent", "namespace", "variant")
# What follows the prefix in the names of metrics of the product.
_OWN_METRICS = ("score", "duration_seconds", "dropped", "worker_", "budget_")
# https://prometheus.io/docs/concepts/data_model/
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_RESERVED_LABELS = (*OWN_LABELS, "le", "quantile")
# What the formats add to names.
_SUFFIXES = ("_total", "_created", "_sum", "_count", "_bucket", "_info")


def metric_problems(declared: Iterable[Eval]) -> Iterator[tuple[Eval, str]]:
    """Yield each evaluation whose metric cannot be exported beside those before it, and why."""
    known: dict[str, Metric] = {}
    for each in declared:
        if each.metric is None or not each.enabled:
            continue
        if problem := _problem(each.metric, known):
            yield each, f"evals.{each.id}.metric: {problem}"
        else:
            known.setdefault(stem(each.metric.name), each.metric)


def stem(name: str) -> str:
    """Return the name of a metric without what the formats may add to it."""
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            return stem(name.removesuffix(suffix))
    return name


def _problem(metric: Metric, known: dict[str, Metric]) -> str:
    bare = stem(metric.name)
    for own in _OWN_METRICS:
        if bare == own or (own.endswith("_") and f"{bare}_".startswith(own)):
            return f'the name "{metric.name}" is taken: the product has {PREFIX}{own}'
    if len(metric.labels) > MOST_LABELS:
        return f"expected at most {MOST_LABELS} labels, found {len(metric.labels)}"
    for label in metric.labels:
        if not _LABEL.fullmatch(label):
            return f'labels: "{label}" is no name of a label'
        if label in _RESERVED_LABELS:
            return f'labels: "{label}" is taken: every series has it'
    other = known.get(bare)
    if other is None:
        if len(known) >= MOST_METRICS:
            return f"expected at most {MOST_METRICS} names of metrics"
        return ""
    if (other.name, other.type, set(other.labels)) != (
        metric.name,
        metric.type,
        set(metric.labels),
    ):
        return (
            f'another evaluation has the metric "{other.name}" ({other.type}) with the labels'
            f" {', '.join(sorted(other.labels)) or 'none'}: give this one another name, or the same"
            " type and labels"
        )
    return ""
