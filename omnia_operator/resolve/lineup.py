"""Chooses the version of a pack for new sessions, and the versions that older sessions keep."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from omnia_operator.api.promptpack import PromptPack
from omnia_operator.resolve.canary import ALL, next_step_of, weight_of

# A ConfigMap holds 1 MiB; 1 KiB of it is for the placement.
_MAX_BYTES = 1024 * 1024 - 1024
Precedence: TypeAlias = tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]


@dataclass(frozen=True)
class ResolvedPack:
    """A compiled pack."""

    name: str
    version: str
    text: str
    """The pack as JSON."""

    @property
    def size(self) -> int:
        """Bytes of the text."""
        return len(self.text.encode())


@dataclass(frozen=True)
class Lineup:
    """The usable versions of a pack."""

    stable: ResolvedPack
    """The version of new sessions."""
    candidate: ResolvedPack | None = None
    """The version that is taking over."""
    weight: int = 0
    """Percentage of new sessions that get the candidate."""
    others: tuple[ResolvedPack, ...] = ()
    """Versions that only older sessions have; newest first."""
    left_out: tuple[str, ...] = ()
    """Versions that do not fit into the ConfigMap."""
    wait: float | None = None
    """Seconds until the weight grows; None if it does not."""

    @property
    def packs(self) -> tuple[ResolvedPack, ...]:
        """Every version."""
        placed = (self.stable,) if self.candidate is None else (self.stable, self.candidate)
        return *placed, *self.others


Readable: TypeAlias = tuple[PromptPack, ResolvedPack]
"""A version with valid content."""


def newest_first(packs: Iterable[PromptPack]) -> list[PromptPack]:
    """Return the versions of a pack, the newest first; equal ones by object name."""
    by_name = sorted(packs, key=lambda pack: pack.metadata.name)
    return sorted(by_name, key=lambda pack: precedence(pack.spec.version), reverse=True)


def line_up(readable: Sequence[Readable], at: str) -> Lineup:
    """Choose the versions for agents that have not pinned one.

    The stable version is the newest one with a weight of 100 %, else the oldest. The candidate is
    the newest version, if that is not the stable one.

    Args:
        readable: at least one version, the newest first.
        at: the time, RFC 3339, which decides the weights of canaries.
    """
    weights = [weight_of(pack, at) for pack, _ in readable]
    index = next((n for n, weight in enumerate(weights) if weight == ALL), len(weights) - 1)
    stable = readable[index][1]
    if index == 0:
        return _with_others(Lineup(stable), readable)
    pack, candidate = readable[0]
    placed = Lineup(stable, candidate, weights[0], wait=next_step_of(pack, at))
    return _with_others(placed, readable)


def pinned(chosen: ResolvedPack, readable: Iterable[Readable]) -> Lineup:
    """Choose one version for all new sessions; the others stay for older sessions."""
    return _with_others(Lineup(chosen), readable)


def same_version(one: str, other: str) -> bool:
    """Whether two versions are the same, with or without a leading v."""
    return one.removeprefix("v") == other.removeprefix("v")


def precedence(version: str) -> Precedence:
    """Return the precedence of a semantic version as a sort key, in which newer is greater."""
    core, _, pre = version.removeprefix("v").split("+")[0].partition("-")
    major, minor, patch = (int(part) for part in core.split("."))
    return (major, minor, patch), not pre, tuple(_identifier(part) for part in pre.split("."))


def _with_others(placed: Lineup, readable: Iterable[Readable]) -> Lineup:
    """Add the versions of older sessions: as many of the newest as fit into the ConfigMap."""
    free = _MAX_BYTES - sum(pack.size for pack in placed.packs)
    kept: list[ResolvedPack] = []
    left_out: list[str] = []
    for _, pack in readable:
        if any(same_version(pack.version, other.version) for other in (*placed.packs, *kept)):
            continue
        free -= pack.size
        if free < 0:
            left_out.append(pack.version)
        else:
            kept.append(pack)
    return replace(placed, others=tuple(kept), left_out=tuple(left_out))


def _identifier(text: str) -> tuple[bool, int, str]:
    # Numbers have a lower precedence than words, and compare as numbers.
    return (False, int(text), "") if text.isdecimal() else (True, 0, text)
