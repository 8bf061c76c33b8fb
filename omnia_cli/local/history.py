"""The history of agents with sessions in a database server: a process for each of those."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from omnia_cli.local.agent import LocalAgent
from omnia_cli.local.group import Group
from omnia_cli.local.ports import LOOPBACK, Ports
from omnia_cli.local.process import ProcessSpec
from omnia_cli.local.readiness import wait_ready
from omnia_cli.local.report import Reporter
from omnia_cli.reaper import Reaper
from omnia_core.env import HistoryEnv, RuntimeEnv, SecretKeyRef, SessionType
from omnia_core.names import HISTORY_PORT

# Namespace and URL of a database.
_Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class _Running:
    port: int
    group: Group
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"


class Histories:
    """Runs the histories; an agent runs with or without one."""

    def __init__(
        self, reporter: Reporter, ports: Ports, inherited: Mapping[str, str], reaper: Reaper
    ) -> None:
        self._reporter = reporter
        self._reaper = reaper
        self._ports = ports
        self._inherited = inherited
        self._running: dict[_Key, _Running] = {}

    def named(self, agent: LocalAgent) -> LocalAgent:
        """Return the agent with the address of its history, if it can have one."""
        key = _database(agent)
        if key is None:
            return agent
        if key not in self._running:
            port = self._ports.from_(HISTORY_PORT)
            group = Group(
                "history", self._reporter, self._reporter.failed, self._ready(port), self._reaper
            )
            self._running[key] = _Running(port, group)
        return replace(agent, history=self._running[key].url)

    async def start(self, agent: LocalAgent) -> None:
        """Start the history of the agent's database, unless it runs."""
        key = _database(agent)
        if key is None:
            return
        running = self._running[key]
        try:
            # Several agents may have one history.
            async with running.starting:
                await running.group.apply([history_process(*key, running.port, self._inherited)])
        except OSError as error:
            self._reporter.failed("history", f"cannot be started: {error}")

    async def keep(self, agents: Iterable[LocalAgent]) -> None:
        """End the histories that no agent uses any more."""
        used = {_database(agent) for agent in agents}
        for key in [key for key in self._running if key not in used]:
            running = self._running.pop(key)
            await running.group.stop()
            self._ports.release(running.port)

    async def stop(self) -> None:
        """End every process."""
        await self.keep(())

    def _ready(self, port: int) -> Callable[[Group], Awaitable[None]]:
        async def ready(group: Group) -> None:
            await group.serves([wait_ready(f"http://{LOOPBACK}:{port}")])

        return ready


# Databases with a history that have a URL.
_SERVERS = (SessionType.POSTGRES, SessionType.MONGODB)


def _database(agent: LocalAgent) -> _Key | None:
    kind, url = RuntimeEnv.variable("session_type"), RuntimeEnv.variable("session_url")
    for process in agent.processes:
        if process.environment.get(kind) in _SERVERS and url in process.environment:
            return agent.plan.namespace, process.environment[url]
    return None


def history_process(
    namespace: str, url: str, port: int, inherited: Mapping[str, str]
) -> ProcessSpec:
    """Return the history of a namespace in a database, without credentials."""
    env = HistoryEnv(
        url=SecretKeyRef("", ""),
        namespace=namespace,
        port=port,
        bind_address=LOOPBACK,
        allow_unauthenticated=True,
        log_level="error",
    )
    values = {
        variable.name: url if variable.secret else variable.value or "" for variable in env.render()
    }
    return ProcessSpec(
        title="history/api",
        command=(sys.executable, "-m", "omnia_history"),
        environment={**inherited, **values},
    )
