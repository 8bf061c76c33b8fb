"""Asks the pods of agents for checks, and tells when something changed."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import POD
from omnia_operator.cluster.port import Cluster
from omnia_operator.pod_checks.checks import PodCheck
from omnia_operator.pod_checks.state import CheckState, PodReport, next_state
from omnia_operator.resolve import Key

QUESTIONS = 25.0
"""Agents that are asked in a second for one check, at most: a question takes 0.65 ms of CPU. With
more agents the intervals grow."""
_TICK = 0.5
_CONCURRENCY = 64
_PODS = 10
"""Pods of one agent that are asked; all of them have the same store."""

_log = structlog.get_logger()


class Pods(Protocol):
    """Asks one pod."""

    async def report(self, check: PodCheck, pod: str, address: str) -> PodReport | None:
        """Return what a pod says; None if it says nothing."""
        ...


@dataclass
class _Watched:
    state: CheckState = field(default_factory=CheckState)
    due: float = 0.0
    asking: bool = False


class PodChecks:
    """What is known about the checks of agents.

    Args:
        cluster: the watched pods.
        pods: asks a pod.
        changed: called with an agent for which something else is known now.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        pods: Pods,
        changed: Callable[[Key], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._pods = pods
        self._changed = changed
        self._clock = clock
        self._watched: dict[tuple[PodCheck, Key], _Watched] = {}
        self._slots = asyncio.Semaphore(_CONCURRENCY)

    def state(self, check: PodCheck, agent: Key) -> CheckState:
        """Return what is known about a check of an agent, and ask its pods from now on."""
        known = self._watched.setdefault((check, agent), _Watched())
        if known.state.passes is None:
            known.due = 0.0  # its pods may just have started
        return known.state

    def forget(self, check: PodCheck, agent: Key) -> None:
        """Stop asking the pods of an agent for a check."""
        self._watched.pop((check, agent), None)

    def forget_all(self, agent: Key) -> None:
        """Stop asking the pods of an agent."""
        for check, each in list(self._watched):
            if each == agent:
                self.forget(check, agent)

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for check, agent in self._due():
                    group.create_task(self._ask(check, agent))
                await asyncio.sleep(_TICK)

    async def ask_due(self) -> None:
        """Ask the pods of all agents that are due, once."""
        async with asyncio.TaskGroup() as group:
            for check, agent in self._due():
                group.create_task(self._ask(check, agent))

    def _due(self) -> list[tuple[PodCheck, Key]]:
        now = self._clock()
        due = [key for key, each in self._watched.items() if each.due <= now and not each.asking]
        for key in due:
            self._watched[key].asking = True
        return due

    async def _ask(self, check: PodCheck, agent: Key) -> None:
        watched = self._watched[check, agent]
        try:
            reports = await self._reports(check, agent)
            before = watched.state
            watched.state = next_state(before, reports, check)
            if watched.state.shown != before.shown and (check, agent) in self._watched:
                self._changed(agent)
        except Exception:  # noqa: BLE001 - a fault of one agent must not stop the others
            _log.exception("a pod check failed", agent="/".join(agent), check=check.name)
        finally:
            seconds = self._interval(check, failing=watched.state.doubts > 0)
            # A random part spreads the questions about many agents.
            watched.due = self._clock() + seconds * random.uniform(0.75, 1.0)  # noqa: S311 - no secret
            watched.asking = False

    def _interval(self, check: PodCheck, *, failing: bool) -> float:
        count = sum(
            each is check and (watched.state.doubts > 0) is failing
            for (each, _), watched in self._watched.items()
        )
        return max(check.failing_interval if failing else check.interval, count / QUESTIONS)

    async def _reports(self, check: PodCheck, agent: Key) -> list[PodReport]:
        namespace, name = agent
        pods = await self._cluster.find(POD, namespace, check.instance(name))
        running = [pod for pod in pods if _address(pod)][:_PODS]
        async with self._slots:
            found = await asyncio.gather(
                *(
                    self._pods.report(check, pod["metadata"]["name"], _address(pod))
                    for pod in running
                )
            )
        return [report for report in found if report is not None]


def _address(pod: JsonObject) -> str:
    """Return the address of a pod; "" if it does not run."""
    status = pod.get("status") or {}
    ends = pod["metadata"].get("deletionTimestamp") or status.get("phase") != "Running"
    return "" if ends else str(status.get("podIP") or "")
