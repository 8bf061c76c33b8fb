"""Limits the writes of a rollout's weights where somebody else keeps changing them: pure decisions.

A single change by somebody else is put back at once. One who changes the weights again is given way
to: from one write to the next it takes longer, up to five minutes, so that two controllers do not
write against each other without end.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Struct

from omnia_core.errors import abridged
from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.api.rollout import WeightWrite
from omnia_operator.rollout.times import elapsed
from omnia_operator.rollout.traffic import WEIGHTS_CONTESTED, TrafficProblem

FIRST_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 300.0
"""Shortest and longest time between two writes of the same weight. Somebody who has changed nothing
for the longest time does not contest the weights any more."""

_NAME = 64
# The fields with weights or subsets, as managedFields names them.
_FIELDS = frozenset({"f:http", "f:rules", "f:subsets"})


@dataclass(frozen=True)
class WeightAttempt:
    """What is done about an object whose weights were read."""

    write: bool
    """Whether they are written now; only if they differ."""
    noted: WeightWrite | None = None
    """What the status notes about the object, if the write succeeds."""
    problem: TrafficProblem | None = None
    """That somebody else keeps changing the weights."""


def attempted(
    name: str,
    document: JsonObject,
    weight: int,
    before: WeightWrite | None,
    *,
    differs: bool,
    now: str,
) -> WeightAttempt:
    """Decide whether an object gets its weights now.

    Args:
        name: kind and name of the object.
        document: the object, with its managedFields.
        weight: the wanted percentage of the candidate.
        before: what was noted about the object.
        differs: whether the object has something else than is wanted.
        now: RFC 3339.
    """
    since = elapsed(before.time, now) if before else LONGEST_SECONDS
    if not differs:
        # What agrees with a weight that was never written is no contest either.
        agreed = before is None or before.weight != weight or since >= LONGEST_SECONDS
        return WeightAttempt(False) if agreed else _noted(before)
    made = WeightWrite(object=name, weight=weight, time=now)
    if before is None:
        return WeightAttempt(True, made)
    if before.weight != weight:
        # The rollout itself wants another weight: that is not waited for.
        update = {"corrections": before.corrections, "manager": before.manager}
        return _noted(made.model_copy(update=update), write=True)
    if since < _delay(before.corrections):
        return WeightAttempt(False, before, _contested(before))
    manager = other_manager(document) or before.manager
    update = {"corrections": before.corrections + 1, "manager": manager}
    return _noted(made.model_copy(update=update), write=True)


def other_manager(document: JsonObject) -> str:
    """Return the field manager that changed the weights last, other than ours; "" if unknown."""
    try:
        entries = msgspec.convert(document.get("metadata") or {}, _Metadata).managed_fields
    except msgspec.ValidationError:
        return ""
    others = [entry for entry in entries if entry.is_of_another]
    return abridged(max(others, key=lambda entry: entry.time).manager, _NAME) if others else ""


class _ManagedFields(Struct, frozen=True, rename="camel"):
    manager: str = ""
    time: str = ""
    fields_v1: dict[str, object] = {}

    @property
    def is_of_another(self) -> bool:
        spec = self.fields_v1.get("f:spec")
        has_any = isinstance(spec, dict) and not _FIELDS.isdisjoint(spec)
        return has_any and self.manager != labels.ROLLOUT_MANAGER


class _Metadata(Struct, frozen=True, rename="camel"):
    managed_fields: tuple[_ManagedFields, ...] = ()


def _delay(corrections: int) -> float:
    """Return the seconds for which the same weight is not written again."""
    if corrections == 0:
        return 0.0
    # The exponent is bounded: a contest may last for days.
    return float(min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(corrections - 1, 16)))


def _noted(noted: WeightWrite | None, *, write: bool = False) -> WeightAttempt:
    # One change may be a mistake, and does not stop the rollout.
    again = noted is not None and noted.corrections > 1
    return WeightAttempt(write, noted, _contested(noted) if noted and again else None)


def _contested(noted: WeightWrite) -> TrafficProblem:
    who = f'the field manager "{noted.manager}"' if noted.manager else "somebody else"
    times = "once" if noted.corrections == 1 else f"{noted.corrections} times"
    kind, _, name = noted.object.partition(" ")
    message = (
        f"{who} changes what the rollout sets in {noted.object}: it was put back {times}, and may"
        f" be again after {_delay(noted.corrections):.0f} s; let it leave weights and subsets alone"
        " (ignoreDifferences in Argo CD, the annotation kustomize.toolkit.fluxcd.io/ssa in Flux;"
        f" kubectl get {kind.lower()} {name} -o yaml --show-managed-fields shows who has them); the"
        f" rollout goes on when nobody has changed them for {LONGEST_SECONDS / 60:.0f} minutes"
    )
    return TrafficProblem(WEIGHTS_CONTESTED, message)


def noted_about(name: str, writes: Iterable[WeightWrite]) -> WeightWrite | None:
    """Return what was noted about an object."""
    return next((write for write in writes if write.object == name), None)
