"""Compares a live object with its manifest."""

import re
from decimal import Decimal

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.manifest import Manifest, redacted

_UNITS = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}
_QUANTITY = re.compile(r"((?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?)([numkMGTPE]|[KMGTPE]i)?")


def same(manifest: Manifest, live: JsonObject) -> bool:
    """Whether the live object has every value of the manifest.

    Fields of others are ignored: defaults, the status, an autoscaler's replicas. A field that an
    older manifest had and this one has not is noticed by the hash in the annotations.
    """
    return _within(redacted(manifest.body), live)


def _within(wanted: object, found: object) -> bool:
    if not wanted and not found:  # the API server leaves out empty, false and zero values
        return True
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            _within(value, found.get(key)) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and _all_within(wanted, found)
    return wanted == found or _quantity(wanted) == _quantity(found) is not None


def _all_within(wanted: list[object], found: list[object]) -> bool:
    if len(wanted) == len(found):
        return all(_within(*pair) for pair in zip(wanted, found, strict=True))
    # Another client added an entry, such as a container beside ours.
    return all(any(_within(item, other) for other in found) for item in wanted)


def _quantity(value: object) -> Decimal | None:
    """Parse a Kubernetes quantity, which the API server normalises: 1000m becomes 1."""
    # Without exponents: a hash may look like a number with one.
    found = _QUANTITY.fullmatch(str(value))
    return Decimal(found[1]) * _UNITS[found[2] or ""] if found else None
