"""The versions of a pack that an agent has: which one new sessions get, and which ones older
sessions keep.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from omnia_operator.api.promptpack import PromptPack
from omnia_operator.resolve.canary import ALL, next_step_of, weight_of

# A ConfigMap holds 1 MiB; the rest is for the placement.
_ROOM = 1024 * 1024 - 1024


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
    """The versions of a pack that can be used."""

    stable: ResolvedPack
    """What new sessions get."""
    candidate: ResolvedPack | None = None
    """What is taking over."""
    weight: int = 0
    """Percentage of new sessions that get the candidate."""
    others: tuple[ResolvedPack, ...] = ()
    """What only sessions have that began with it; newest first."""
    left_out: tuple[str, ...] = ()
    """Versions for which a ConfigMap has no room."""
    wait: float | None = None
    """Seconds until the weight grows; None when it does not."""

    @property
    def packs(self) -> tuple[ResolvedPack, ...]:
        """Every version."""
        placed = (self.stable,) if self.candidate is None else (self.stable, self.candidate)
        return *placed, *self.others


Readable: TypeAlias = tuple[PromptPack, ResolvedPack]
"""A version whose content can be used."""


def newest_first(packs: Iterable[PromptPack]) -> list[PromptPack]:
    """Return the versions of a pack in their order, those of equal rank by their names."""
    by_name = sorted(packs, key=lambda pack: pack.metadata.name)
    return sorted(by_name, key=lambda pack: precedence(pack.spec.version), reverse=True)


def line_up(readable: Sequence[Readable], at: str) -> Lineup:
    """Choose for agents that have not pinned a version.

    The newest version that all new sessions get by now is the stable one, else the oldest that
    there is. The newest above it is the candidate.

    Args:
        readable: at least one version, the newest first.
        at: the time, for the clocks of canaries.
    """
    weights = [weight_of(pack, at) for pack, _ in readable]
    index = next((n for n, weight in enumerate(weights) if weight == ALL), len(weights) - 1)
    stable = readable[index][1]
    if index == 0:
        return _whole(Lineup(stable), readable)
    pack, candidate = readable[0]
    placed = Lineup(stable, candidate, weights[0], wait=next_step_of(pack, at))
    return _whole(placed, readable)


def pinned(chosen: ResolvedPack, readable: Iterable[Readable]) -> Lineup:
    """Give all new sessions one version. The others stay for sessions that began with them."""
    return _whole(Lineup(chosen), readable)


def _whole(placed: Lineup, readable: Iterable[Readable]) -> Lineup:
    """Add the versions that no new session gets, as many of the newest as there is room for."""
    room = _ROOM - sum(each.size for each in placed.packs)
    kept: list[ResolvedPack] = []
    left_out: list[str] = []
    for _, each in readable:
        if any(same_version(each.version, other.version) for other in (*placed.packs, *kept)):
            continue
        room -= each.size
        if room < 0:
            left_out.append(each.version)
        else:
            kept.append(each)
    return replace(placed, others=tuple(kept), left_out=tuple(left_out))


Precedence: TypeAlias = tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]


def same_version(one: str, other: str) -> bool:
    """Whether two versions are the same, however they are written."""
    return one.removeprefix("v") == other.removeprefix("v")


def precedence(version: str) -> Precedence:
    """Return a sort key: greater is newer, and a release is newer than its pre-releases."""
    core, _, pre = version.removeprefix("v").split("+")[0].partition("-")
    major, minor, patch = (int(part) for part in core.split("."))
    return (major, minor, patch), not pre, tuple(_identifier(each) for each in pre.split("."))


def _identifier(text: str) -> tuple[bool, int, str]:
    # Numbers come before words, and compare as numbers.
    return (False, int(text), "") if text.isdecimal() else (True, 0, text)
