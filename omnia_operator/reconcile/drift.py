"""Keeps the objects of an agent as in their manifests, and reports changes of others.

What others change is put back, but not without end: a webhook or a controller that changes the same
place each time keeps its change after some corrections, and the agent's status says so.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from typing import NamedTuple

from omnia_core.jsonvalue import JsonObject
from omnia_core.suggestions import listed
from omnia_operator.cluster.kinds import ObjectKind
from omnia_operator.cluster.manifest import Manifest
from omnia_operator.cluster.port import Cluster
from omnia_operator.manifests import Differences, applied, differences
from omnia_operator.resolve import Key, Problem
from omnia_operator.status import OBJECTS_IN_SYNC, Announcement

CORRECTIONS = 5
"""Corrections of one place within `WINDOW` seconds."""
WINDOW = 600.0

_Place = tuple[ObjectKind, Key, str]


class Corrections:
    """What this operator has put back lately."""

    def __init__(self, count: Callable[[ObjectKind], None] = lambda _: None) -> None:
        """Take a function that counts the corrected objects."""
        self._count = count
        self._made: dict[_Place, list[float]] = {}

    def allowed(self, manifest: Manifest, paths: Iterable[str], now: str) -> frozenset[str]:
        """Return the paths that have not been put back too often."""
        since = _seconds(now) - WINDOW
        recent = {
            path: [at for at in self._made.get(_place(manifest, path), ()) if at > since]
            for path in paths
        }
        return frozenset(path for path, times in recent.items() if len(times) < CORRECTIONS)

    def made(self, manifest: Manifest, paths: Iterable[str], now: str) -> None:
        """Note that an object was put back."""
        at = _seconds(now)
        self._made = {
            place: times for place, times in self._made.items() if max(times) > at - WINDOW
        }
        for path in paths:
            times = self._made.setdefault(_place(manifest, path), [])
            times.append(at)
            del times[:-CORRECTIONS]
        self._count(manifest.kind)


class Kept(NamedTuple):
    """What became of an object."""

    written: bool = False
    """Whether it was created or changed."""
    corrected: tuple[str, ...] = ()
    """Places that others had changed."""
    drifted: tuple[str, ...] = ()
    """Places that somebody changes again and again."""


async def keep(
    cluster: Cluster,
    manifest: Manifest,
    live: JsonObject | None,
    corrections: Corrections,
    now: str,
) -> Kept:
    """Create an object, or bring it to its manifest.

    Raises:
        ClusterError: a request failed.
    """
    if live is None:
        await cluster.apply(manifest, known=False)
        return Kept(written=True)
    renewed = not applied(manifest, live)
    if renewed:
        # Differences are those of an older manifest, which applying removes.
        await cluster.apply(manifest, known=True)
    found = await _compared(cluster, manifest) if renewed else differences(manifest, live)
    if not found.paths:
        return Kept(written=renewed)
    allowed = corrections.allowed(manifest, found.paths, now)
    if not allowed:
        return Kept(renewed, drifted=tuple(found.paths))
    if allowed.intersection(found.changed):
        await cluster.apply(manifest, known=True)
        found = await _compared(cluster, manifest)
        allowed |= corrections.allowed(manifest, found.paths, now)
    additions = [addition for addition in found.added if addition.path in allowed]
    if additions:
        await cluster.remove_additions(manifest.kind, manifest.key, additions)
    corrections.made(manifest, allowed, now)
    left = (await _compared(cluster, manifest)).paths
    return Kept(
        written=True,
        corrected=tuple(sorted(allowed.difference(left))),
        drifted=tuple(left),
    )


async def _compared(cluster: Cluster, manifest: Manifest) -> Differences:
    """Compare an object after a write; one that was deleted meanwhile is made by its event."""
    live = await cluster.get(manifest.kind, manifest.key)
    return Differences() if live is None else differences(manifest, live)


def correction(manifest: Manifest, paths: Iterable[str]) -> Announcement:
    """Return the Event about an object that was put back."""
    message = (
        f'{manifest.kind} "{manifest.key[1]}" was changed by somebody else and is put back:'
        f" {listed(sorted(paths))}"
    )
    return Announcement(warning=True, reason="DriftCorrected", message=message)


def drifted(manifest: Manifest, paths: Iterable[str]) -> Problem:
    """Return the problem that somebody changes an object again and again."""
    kind, name = manifest.kind, manifest.key[1]
    message = (
        f'{kind} "{name}" is changed by somebody else each time that it is put back, which is tried'
        f" {CORRECTIONS} times in {WINDOW / 60:.0f} minutes: {listed(sorted(paths))}; find the"
        f" webhook or controller with kubectl get {kind.name.lower()} {name} -o yaml"
        " --show-managed-fields, and exclude the object"
    )
    return Problem(OBJECTS_IN_SYNC, "Drifted", message, retry=False)


def _place(manifest: Manifest, path: str) -> _Place:
    return manifest.kind, manifest.key, path


def _seconds(now: str) -> float:
    return dt.datetime.fromisoformat(now).timestamp()
