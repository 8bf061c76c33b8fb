"""Asks the pods of the agents with a shared session store, and tells when something changed."""

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
from omnia_operator.resolve import Key
from omnia_operator.session_stores.state import PodReport, StoreState, next_state

INTERVAL = 10.0
"""Seconds between two rounds while the store is reached, or nothing is known."""
DOUBT_INTERVAL = 2.0
"""Seconds between two rounds while a pod cannot reach it."""
QUESTIONS = 25.0
"""Agents that are asked in a second, at most: a question takes 0.65 ms of CPU. With more agents the
intervals grow."""
_TICK = 0.5
_CONCURRENCY = 64
_PODS = 10
"""Pods of one agent that are asked; all of them have the same store."""

_log = structlog.get_logger()


class Pods(Protocol):
    """Asks one pod."""

    async def report(self, pod: str, address: str) -> PodReport | None:
        """Return what a pod says; None if it says nothing."""
        ...


@dataclass
class _Agent:
    state: StoreState = field(default_factory=StoreState)
    due: float = 0.0
    asking: bool = False


class SessionStores:
    """What is known about the session stores of agents.

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
        self._agents: dict[Key, _Agent] = {}
        self._slots = asyncio.Semaphore(_CONCURRENCY)

    def state(self, agent: Key) -> StoreState:
        """Return what is known about the store of an agent, and ask its pods from now on."""
        known = self._agents.setdefault(agent, _Agent())
        if known.state.reached is None:
            known.due = 0.0  # its pods may just have started
        return known.state

    def forget(self, agent: Key) -> None:
        """Stop asking the pods of an agent."""
        self._agents.pop(agent, None)

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for agent in self._due():
                    group.create_task(self._ask(agent))
                await asyncio.sleep(_TICK)

    async def ask_due(self) -> None:
        """Ask the pods of all agents that are due, once."""
        async with asyncio.TaskGroup() as group:
            for agent in self._due():
                group.create_task(self._ask(agent))

    def _due(self) -> list[Key]:
        now = self._clock()
        due = [key for key, each in self._agents.items() if each.due <= now and not each.asking]
        for key in due:
            self._agents[key].asking = True
        return due

    async def _ask(self, key: Key) -> None:
        agent = self._agents[key]
        try:
            reports = await self._reports(key)
            before, agent.state = agent.state, next_state(agent.state, reports)
            if agent.state.shown != before.shown and key in self._agents:
                self._changed(key)
        except Exception:  # noqa: BLE001 - a fault of one agent must not stop the others
            _log.exception("the pods cannot be asked for their session store", agent="/".join(key))
        finally:
            seconds = self._interval(doubtful=agent.state.doubts > 0)
            # A random part spreads the questions about many agents.
            agent.due = self._clock() + seconds * random.uniform(0.75, 1.0)  # noqa: S311 - no secret
            agent.asking = False

    def _interval(self, *, doubtful: bool) -> float:
        count = sum((each.state.doubts > 0) is doubtful for each in self._agents.values())
        return max(DOUBT_INTERVAL if doubtful else INTERVAL, count / QUESTIONS)

    async def _reports(self, key: Key) -> list[PodReport]:
        running = [pod for pod in await self._cluster.find(POD, *key) if _address(pod)][:_PODS]
        async with self._slots:
            found = await asyncio.gather(
                *(self._pods.report(pod["metadata"]["name"], _address(pod)) for pod in running)
            )
        return [report for report in found if report is not None]


def _address(pod: JsonObject) -> str:
    """Return the address of a pod; "" if it does not run."""
    status = pod.get("status") or {}
    ends = pod["metadata"].get("deletionTimestamp") or status.get("phase") != "Running"
    return "" if ends else str(status.get("podIP") or "")
