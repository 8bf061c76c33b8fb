"""The console of a namespace, served on this machine for as long as the command runs."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from omnia_cli.cluster import (
    HISTORY_PORT,
    PORT,
    KubectlFailed,
    Service,
    history_of,
    list_objects,
)
from omnia_cli.connect import HISTORY
from omnia_cli.hub.directory import HubAgent, NotRunning, Overview, Upstream
from omnia_cli.hub.events import EventLog
from omnia_cli.hub.server import PORT as CONSOLE_PORT
from omnia_cli.hub.server import Hub
from omnia_cli.local.ports import Ports
from omnia_cli.reaper import Reaper
from omnia_cli.remote.forwards import Forwards, ForwardTarget
from omnia_cli.remote.listing import UnreadableList, agents, changes, models
from omnia_cli.remote.reading import read_inside
from omnia_cli.remote.watch import changed
from omnia_core.jsonvalue import JsonObject

AGENTS = "agentruntimes"
PROVIDERS = "providers"
_RETRY_SECONDS = 5.0


class NamespaceDirectory:
    """The agents of one namespace, as the person may read and reach them with kubectl."""

    def __init__(self, namespace: str, forwards: Forwards, events: EventLog, since: str) -> None:
        """`since` is the time of the start (RFC 3339)."""
        self._namespace = namespace
        self._forwards = forwards
        self._events = events
        self._since = since
        self._agents: tuple[HubAgent, ...] = ()
        self._history: Service | None = None
        self._notes: dict[str, str] = {}
        self._reading = asyncio.Lock()

    @property
    def names(self) -> list[str]:
        """The names of the agents."""
        return [agent.name for agent in self._agents]

    async def open(self) -> None:
        """Read what there is.

        Raises:
            KubectlFailed: the agents cannot be listed.
        """
        await self.refresh()
        try:
            self._history = await asyncio.to_thread(history_of, self._namespace)
        except KubectlFailed as error:
            self._notes[HISTORY] = str(error)

    async def refresh(self) -> None:
        """Read the agents again, and publish what has changed.

        Raises:
            KubectlFailed: they cannot be listed.
        """
        known: dict[str, str] = {}
        try:
            known = models(await asyncio.to_thread(list_objects, PROVIDERS, self._namespace))
            self._notes.pop(PROVIDERS, None)
        except (KubectlFailed, UnreadableList) as error:
            self._notes[PROVIDERS] = f"{error}; models are left out"
        listed = await asyncio.to_thread(list_objects, AGENTS, self._namespace)
        try:
            now = agents(listed, self._namespace, known)
        except UnreadableList as error:
            raise KubectlFailed(str(error)) from error
        before, self._agents = self._agents, now
        for event in changes(before, now):
            self._events.add(event)

    async def follow(self, reaper: Reaper) -> None:
        """Read the agents again whenever one has changed, until it is cancelled."""
        while True:
            try:
                async for _ in changed(AGENTS, self._namespace, reaper):
                    await self.refresh()
                # A watch ends now and then; some may list objects that they may not watch.
                await asyncio.sleep(_RETRY_SECONDS)
                await self.refresh()
                self._notes.pop(AGENTS, None)
            except KubectlFailed as error:
                self._notes[AGENTS] = str(error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def overview(self) -> Overview:
        return Overview(
            title=self._namespace,
            since=self._since,
            agents=self._agents,
            has_history=self._history is not None,
            notes=tuple(self._notes.values()),
        )

    async def agent(self, namespace: str, name: str) -> Upstream | None:
        known = next((each for each in self._agents if each.name == name), None)
        if namespace != self._namespace or known is None:
            return None
        place = ForwardTarget(name, namespace, PORT, name, namespace)
        try:
            return await self._forwards.upstream(place)
        except KubectlFailed as error:
            raise NotRunning(known.message or str(error)) from error

    async def inside(self, namespace: str, name: str) -> JsonObject | None:
        if namespace != self._namespace or name not in self.names:
            return None
        try:
            # One at a time: each is several programs.
            async with self._reading:
                found = await asyncio.to_thread(read_inside, name, namespace)
        except KubectlFailed as error:
            raise NotRunning(str(error)) from error
        document: JsonObject = msgspec.to_builtins(found)
        return document

    async def history(self) -> Upstream | None:
        if self._history is None:
            return None
        service, elsewhere = self._history
        place = ForwardTarget(service, elsewhere, HISTORY_PORT, HISTORY, self._namespace)
        try:
            return await self._forwards.upstream(place)
        except KubectlFailed as error:
            raise NotRunning(str(error)) from error


async def serve(
    namespace: str,
    name: str | None,
    account: str,
    port: int | None,
    occupant: Callable[[int], str],
    shown: Callable[[str], None],
    say: Callable[[str], None],
) -> None:
    """Serve the console of a namespace until it is cancelled.

    Args:
        namespace: of the cluster.
        name: the agent to begin with; None for all of them.
        account: the ServiceAccount whose tokens are made.
        port: of this machine; None for the first free one.
        occupant: names the program that uses a port.
        shown: called with the address, once it is served.
        say: called with what went wrong meanwhile.

    Raises:
        KubectlFailed: the agents cannot be listed, or there is none of this name.
        PortOccupied: the port is in use.
        OSError: the port cannot be used.
    """
    began = datetime.now(UTC)
    events = EventLog(began.strftime("%Y%m%dT%H%M%S%f"))
    with Reaper() as reaper, contextlib.closing(Ports()) as ports:
        forwards = Forwards(account, reaper)
        since = began.isoformat(timespec="seconds")
        directory = NamespaceDirectory(namespace, forwards, events, since)
        await directory.open()
        if name is not None and name not in directory.names:
            there = ", ".join(directory.names) or "none"
            raise KubectlFailed(
                f'there is no agent "{name}" in the namespace "{namespace}"; it has: {there}'
            )
        hub = Hub(directory, events, say)
        try:
            if port is None:
                taken = ports.from_(CONSOLE_PORT)
            else:
                taken = ports.exactly(port, occupant, "--console-port")
            async with hub.serving(taken):
                place = f"#/a/{namespace}/{name}" if name else ""
                shown(f"http://127.0.0.1:{taken}/{place}")
                await directory.follow(reaper)
        finally:
            await forwards.close()
