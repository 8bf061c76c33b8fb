"""The histories: a process for each database server with sessions, and one for their file."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from omnia_cli.local.agent import LocalAgent
from omnia_cli.local.group import Group
from omnia_cli.local.ports import LOOPBACK, Ports
from omnia_cli.local.process import ProcessSpec
from omnia_cli.local.readiness import wait_ready
from omnia_cli.local.report import Reporter
from omnia_cli.reaper import Reaper
from omnia_cli.system_errors import explained
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
        self._files: set[_Key] = set()

    def named(self, agent: LocalAgent) -> LocalAgent:
        """Return the agent with the address of its history, if it can have one."""
        key = _database(agent)
        if key is None:
            return agent
        return replace(agent, history=self._of(key).url)

    async def of_file(self, sessions: Path) -> str:
        """Return the URL of the history of a file of sessions; the first call starts it."""
        key = ("*", f"sqlite://{sessions}")
        self._files.add(key)
        running = self._of(key)
        await self._start(key)
        return running.url

    def _of(self, key: _Key) -> _Running:
        if key not in self._running:
            port = self._ports.from_(HISTORY_PORT)
            group = Group(
                "history", self._reporter, self._reporter.failed, self._ready(port), self._reaper
            )
            self._running[key] = _Running(port, group)
        return self._running[key]

    async def start(self, agent: LocalAgent) -> None:
        """Start the history of the agent's database, unless it runs."""
        key = _database(agent)
        if key is not None:
            await self._start(key)

    async def _start(self, key: _Key) -> None:
        running = self._running[key]
        try:
            # Several agents may have one history.
            async with running.starting:
                await running.group.apply([history_process(*key, running.port, self._inherited)])
        except OSError as error:
            self._reporter.failed("history", f"cannot be started: {explained(error)}")

    async def keep(self, agents: Iterable[LocalAgent]) -> None:
        """End the histories that no agent uses any more."""
        await self._keep({_database(agent) for agent in agents} | self._files)

    async def stop(self) -> None:
        """End every process."""
        await self._keep(set())

    async def _keep(self, used: set[_Key | None]) -> None:
        for key in [key for key in self._running if key not in used]:
            running = self._running.pop(key)
            await running.group.stop()
            self._ports.release(running.port)

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
