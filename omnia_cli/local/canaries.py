"""Where the canaries of PromptPacks stand on this machine; a cluster has it in their status."""

import datetime as dt
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from omnia_cli.local.objects import Key
from omnia_operator.api import PromptPack
from omnia_operator.api.promptpack import PromptPackStatus
from omnia_operator.resolve import Found
from omnia_operator.status import news, pack_facts, pack_status


@dataclass(frozen=True)
class Canaries:
    """The statuses of PromptPacks.

    Attributes:
        news: what they have come to: name of the PromptPack and a sentence.
        wait: seconds until the next version takes a step; None when none will.
    """

    statuses: Mapping[Key, PromptPackStatus] = field(default_factory=dict)
    news: tuple[tuple[str, str], ...] = ()
    wait: float | None = None

    @classmethod
    def of(cls, found: Found) -> "Canaries":
        """Look at what was found."""
        facts = {key: pack_facts(0, pack, found) for key, pack in found.packs.items()}
        statuses = {
            key: pack_status(fact, _status(found.packs[key]), found.at)
            for key, fact in facts.items()
        }
        messages = tuple(
            (key[1], item.message)
            for key, pack in found.packs.items()
            for item in news(pack, _status(pack), statuses[key])
        )
        waits = (fact.lineup.wait for fact in facts.values() if fact.lineup)
        return cls(
            statuses, messages, min((wait for wait in waits if wait is not None), default=None)
        )

    def with_status(self, packs: Mapping[Key, PromptPack]) -> dict[Key, PromptPack]:
        """Return the packs with these statuses, not those that their manifests may bring along."""
        return {
            key: pack.model_copy(update={"status": self.statuses.get(key)})
            for key, pack in packs.items()
        }


class Steps:
    """The canaries of a run, and when the next one takes a step."""

    def __init__(self) -> None:
        self.canaries = Canaries()
        self._due: float | None = None

    @property
    def due(self) -> bool:
        """Whether a step is to be taken."""
        return self._due is not None and time.monotonic() >= self._due

    def take(self, canaries: Canaries) -> None:
        """Take over where the canaries stand now."""
        self.canaries = canaries
        self._due = None if canaries.wait is None else time.monotonic() + canaries.wait

    @staticmethod
    def now() -> str:
        """Return the time of this machine."""
        return dt.datetime.now(dt.UTC).isoformat()


def _status(pack: PromptPack) -> PromptPackStatus:
    return pack.status or PromptPackStatus()
