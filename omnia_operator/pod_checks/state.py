"""What the reports of pods mean for their agent. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from omnia_operator.pod_checks.checks import PodCheck

SILENT_ROUNDS = 3
"""Rounds in a row without an answer after which nothing is known any more."""


class PodReport(NamedTuple):
    """What a pod says of a check."""

    pod: str
    failure: str = ""
    """Why it fails; "" if it does not."""


@dataclass(frozen=True, slots=True)
class CheckState:
    """What is known about a check of an agent.

    Attributes:
        passes: whether it passes in all pods that answered; None while that is unknown.
        failure: the report that ended `passes`.
        doubts: rounds in a row with a pod in which it fails.
        silent: rounds in a row without an answer.
    """

    passes: bool | None = None
    failure: PodReport | None = None
    doubts: int = 0
    silent: int = 0

    @property
    def shown(self) -> tuple[bool | None, PodReport | None]:
        """What the status of the agent depends on."""
        return self.passes, self.failure


def next_state(state: CheckState, reports: Iterable[PodReport], check: PodCheck) -> CheckState:
    """Return the state after one round of questions.

    Args:
        state: the state before.
        reports: those of the pods that answered.
        check: what was asked for.
    """
    found = list(reports)
    failed = [report for report in found if report.failure]
    if not found:
        silent = state.silent + 1
        return CheckState() if silent >= SILENT_ROUNDS else replace(state, silent=silent)
    if not failed:
        return CheckState(passes=True)
    doubts = state.doubts + 1
    if doubts < check.rounds:
        return replace(state, doubts=doubts, silent=0)
    same = state.failure is not None and state.failure.pod in {report.pod for report in failed}
    return CheckState(False, state.failure if same and check.words_vary else failed[0], doubts)
