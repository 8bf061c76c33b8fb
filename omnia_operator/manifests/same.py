"""Compares a live object with its manifest."""

import re
from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.manifest import Addition, Manifest, redacted
from omnia_operator.manifests.held import HELD, KEPT_FALSE, WHOLE

_UNITS = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}
_QUANTITY = re.compile(r"((?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?)([numkMGTPE]|[KMGTPE]i)?")
# What tells the entries of a list apart, as server-side apply does: those of the first key.
_NAMES = ("mountPath", "devicePath", "name")
_METADATA = "metadata"


@dataclass(frozen=True)
class Differences:
    """Where a live object differs from its manifest; paths are for people."""

    changed: tuple[str, ...] = ()
    """Values of the manifest that the object lacks or has otherwise."""
    added: tuple[Addition, ...] = ()
    """What the manifest lacks, in fields that nobody else may add to."""

    @property
    def paths(self) -> list[str]:
        """All places."""
        return [*self.changed, *(addition.path for addition in self.added)]


def same(manifest: Manifest, live: JsonObject) -> bool:
    """Whether a live object is as its manifest wants it."""
    return not differences(manifest, live).paths


def differences(manifest: Manifest, live: JsonObject) -> Differences:
    """Return where a live object differs from its manifest.

    Fields of others are ignored: defaults, the status, an autoscaler's replicas.
    """
    held = HELD.get(manifest.kind, frozenset())
    found = [*_compare(_Place(), redacted(manifest.body), live, held)]
    return Differences(
        tuple(each for each in found if isinstance(each, str)),
        tuple(each for each in found if isinstance(each, Addition)),
    )


def applied(manifest: Manifest, live: JsonObject) -> bool:
    """Whether this very manifest was the last one that was applied to an object.

    If so, every difference is somebody else's.
    """
    return _hash(manifest.body) == _hash(live)


def _hash(document: JsonObject) -> object:
    return (document["metadata"].get("annotations") or {}).get(labels.MANIFEST_HASH)


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in an object."""

    path: str = ""
    """For people: with the names of entries."""
    fields: str = ""
    """For the table of held fields: without the entries."""
    pointer: str = ""
    """As a JSON pointer."""

    def key(self, name: str) -> Self:
        dot = "." if self.path else ""
        escaped = name.replace("~", "~0").replace("/", "~1")
        return type(self)(
            f"{self.path}{dot}{name}", f"{self.fields}{dot}{name}", f"{self.pointer}/{escaped}"
        )

    def entry(self, index: int, name: str) -> Self:
        return type(self)(f"{self.path}[{name}]", self.fields, f"{self.pointer}/{index}")


def _compare(
    place: _Place, wanted: Any, found: Any, held: AbstractSet[str]
) -> Iterator[str | Addition]:
    if not wanted and not found:  # the API server leaves out empty, false and zero values
        if wanted is False and found is None and place.fields.rpartition(".")[2] in KEPT_FALSE:
            yield place.path
        return
    if isinstance(wanted, dict) and isinstance(found, dict):
        yield from _compare_maps(place, wanted, found, held)
    elif isinstance(wanted, list) and isinstance(found, list):
        yield from _compare_lists(place, wanted, found, held)
    elif wanted != found and not _quantity(wanted) == _quantity(found) is not None:
        yield place.path


def _compare_maps(
    place: _Place, wanted: JsonObject, found: JsonObject, held: AbstractSet[str]
) -> Iterator[str | Addition]:
    for key, value in wanted.items():
        yield from _compare(place.key(key), value, found.get(key), held)
    whole = f"{place.fields}.{WHOLE}" in held
    for key in found.keys() - wanted.keys():
        at = place.key(key)
        if (whole or at.fields in held) and found[key] is not None:
            yield Addition(at.path, at.pointer)


def _compare_lists(
    place: _Place, wanted: list[Any], found: list[Any], held: AbstractSet[str]
) -> Iterator[str | Addition]:
    names = [_name(entry) for entry in wanted]
    theirs = _surplus(names, found)
    ours = [(index, entry) for index, entry in enumerate(found) if index not in theirs]
    if len(ours) != len(wanted):
        yield place.path
    for name, value, (index, entry) in zip(names, wanted, ours, strict=False):
        yield from _compare(place.entry(index, name or str(index)), value, entry, held)
    if place.fields.partition(".")[0] != _METADATA:  # finalizers and owners
        for index in theirs:
            at = place.entry(index, _name(found[index]) or str(index))
            yield Addition(at.path, at.pointer, found[index])


def _surplus(names: list[str | None], found: list[Any]) -> list[int]:
    """Return the indexes of the entries that are not ours."""
    if None in names:
        return list(range(len(names), len(found)))
    missing, surplus = Counter(names), []
    for index, entry in enumerate(found):
        name = _name(entry)
        if missing[name] > 0:
            missing[name] -= 1
        else:
            surplus.append(index)
    return surplus


def _name(entry: Any) -> str | None:
    if isinstance(entry, dict):
        for key in _NAMES:
            if isinstance(entry.get(key), str):
                return str(entry[key])
    return None


def _quantity(value: object) -> Decimal | None:
    """Parse a Kubernetes quantity, which the API server normalises: 1000m becomes 1."""
    # Without exponents: a hash may look like a number with one.
    found = _QUANTITY.fullmatch(str(value))
    return Decimal(found[1]) * _UNITS[found[2] or ""] if found else None
