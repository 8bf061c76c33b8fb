"""What the reports of pods mean for the session store of their agent. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

DOUBTS = 2
"""Rounds in a row with a pod that cannot reach the store. A fail-over within one round is no
outage."""
SILENT_ROUNDS = 3
"""Rounds in a row without an answer after which nothing is known any more."""


class PodReport(NamedTuple):
    """What a pod says of its session store."""

    pod: str
    failure: str = ""
    """Why it cannot be reached; "" if it can."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """What is known about the session store of an agent.

    Attributes:
        reached: whether the pods that answered reach it; None while that is unknown.
        outage: the report that ended `reached`.
        doubts: rounds in a row with a pod that cannot reach it.
        silent: rounds in a row without an answer.
    """

    reached: bool | None = None
    outage: PodReport | None = None
    doubts: int = 0
    silent: int = 0

    @property
    def settled(self) -> bool:
        """Whether the last answers said that the store is reached."""
        return self.reached is True and not self.doubts

    @property
    def shown(self) -> tuple[bool | None, PodReport | None]:
        """What the status of the agent depends on."""
        return self.reached, self.outage


def next_state(state: StoreState, reports: Iterable[PodReport]) -> StoreState:
    """Return the state after one round of questions.

    Args:
        state: the state before.
        reports: those of the pods that answered.
    """
    found = list(reports)
    failed = [report for report in found if report.failure]
    if not found:
        silent = state.silent + 1
        return StoreState() if silent >= SILENT_ROUNDS else replace(state, silent=silent)
    if not failed:
        return StoreState(reached=True)
    doubts = state.doubts + 1
    if doubts < DOUBTS:
        return replace(state, doubts=doubts, silent=0)
    # The report stays while its pod has one: the words of a failure may change with each attempt.
    same = state.outage is not None and state.outage.pod in {report.pod for report in failed}
    return StoreState(False, state.outage if same else failed[0], doubts)
