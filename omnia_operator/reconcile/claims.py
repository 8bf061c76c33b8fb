"""Notices another operator that acts on the same agents.

Each operator writes its name on the Deployments that it applies. An operator that finds another
name where it wrote its own leaves the agent to the other one: two installations must not replace
each other's pods without end.
"""

from typing import NamedTuple

import structlog

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.resolve import Key

_log = structlog.get_logger()


class OtherOperator(NamedTuple):
    """The operator that an agent is left to."""

    name: str
    new: bool
    """Whether it has just been noticed."""


class Claims:
    """The agents that this operator has applied, and those that it leaves to another one."""

    def __init__(self) -> None:
        self._applied: set[Key] = set()
        self._left: dict[Key, str] = {}

    def other(self, agent: Key, deployment: JsonObject | None, own: str) -> OtherOperator | None:
        """Return the operator that an agent is left to, by the name on its Deployment.

        The first operator that applies an agent takes over from one that was uninstalled: an agent
        that this operator has not applied itself is not left to anybody.
        """
        if agent in self._left:
            return OtherOperator(self._left[agent], new=False)
        found = _applied_by(deployment)
        if found in ("", own) or agent not in self._applied:
            return None
        self._left[agent] = found
        _log.error("another operator acts on the agent", agent="/".join(agent), operator=found)
        return OtherOperator(found, new=True)

    def applied(self, agent: Key, deployment: JsonObject | None, own: str) -> None:
        """Note an agent that this operator has applied."""
        if _applied_by(deployment) == own:
            self._applied.add(agent)

    def forget(self, agent: Key) -> None:
        """Forget an agent that does not exist any more."""
        self._applied.discard(agent)
        self._left.pop(agent, None)


def _applied_by(deployment: JsonObject | None) -> str:
    metadata: JsonObject = (deployment or {}).get("metadata") or {}
    found: str = (metadata.get("annotations") or {}).get(labels.APPLIED_BY, "")
    return found
