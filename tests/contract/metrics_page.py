"""The series that docs/reference/metrics.md lists, and those that the programs have."""

import re
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct
from prometheus_client import CollectorRegistry

PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"
CONSTANT = frozenset({"agent", "namespace"})


class Row(Struct, frozen=True):
    """A series; `labels` are those that stand in its row."""

    name: str
    kind: str
    labels: frozenset[str]


def rows(section: str) -> list[Row]:
    """Return the rows of a section, such as Facade."""
    text = PAGE.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*)\|", text, re.MULTILINE)
    return [Row(name, kind, frozenset(re.findall(r"`(\w+)`", more))) for name, kind, more in found]


def every_row() -> dict[str, Row]:
    """Return all rows by name."""
    sections = ("Every program", "Facade", "Runtime", "Operator")
    return {row.name: row for section in sections for row in rows(section)}


def exposed(row: Row) -> set[str]:
    """Return the names under which Prometheus knows a series."""
    if row.kind != "histogram":
        return {row.name}
    return {f"{row.name}_{part}" for part in ("bucket", "count", "sum")}


def registered(registry: CollectorRegistry, hidden: Iterable[str] = ()) -> list[Row]:
    """Return what a registry holds, without the labels that are in no row."""
    found = []
    for family in registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels}
        found.append(Row(name, family.type, frozenset(labels - {"le", *hidden})))
    return found
