"""What the hub of `omnia up` knows: the agents of the manifests, and what failed of them."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from omnia_cli.hub.directory import (
    HubAgent,
    HubState,
    KeptConversations,
    NotRunning,
    Overview,
    Upstream,
)
from omnia_cli.local.agent import KnownAgent
from omnia_cli.local.report import AgentState, EventReporter, Serving, VersionChange
from omnia_cli.local.runner import Runner
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import INLINE_VERSION


class FailureReporter(EventReporter):
    """Publishes the events, and keeps what failed last of each name until it is right again."""

    def __init__(self, emit: Callable[[JsonObject], None]) -> None:
        super().__init__(emit)
        self.failures: dict[str, str] = {}

    def ready(self, agent: Serving) -> None:
        self.failures.pop(agent.name, None)
        super().ready(agent)

    def reloaded(self, name: str, versions: VersionChange | None = None) -> None:
        self.failures.pop(name, None)
        super().reloaded(name, versions)

    def removed(self, name: str) -> None:
        self.failures.pop(name, None)
        super().removed(name)

    def failed(self, name: str, reason: str) -> None:
        self.failures[name] = reason
        super().failed(name, reason)

    def repaired(self, name: str) -> None:
        self.failures.pop(name, None)
        super().repaired(name)


class LocalDirectory:
    """The directory of one `omnia up`."""

    def __init__(self, runner: Runner, failures: FailureReporter, folder: Path, since: str) -> None:
        """`folder` has all manifests, and `since` is the time of the start (RFC 3339)."""
        self._runner = runner
        self._failures = failures
        self._folder = folder
        self._since = since

    async def overview(self) -> Overview:
        used = self._runner.conversations.used
        agents = tuple(self._described(known) for known in self._runner.known())
        return Overview(
            title=self._folder.name or str(self._folder),
            since=self._since,
            agents=agents,
            has_history=used is not None or any(each.history for each in self._runner.serving()),
            kept=KeptConversations(
                path=str(used or ""), ephemeral=self._runner.conversations.project is None
            ),
        )

    async def agent(self, namespace: str, name: str) -> Upstream | None:
        key = (namespace, name)
        known = next((each for each in self._runner.known() if each.key == key), None)
        if known is None:
            return None
        if known.state is not AgentState.READY:
            raise NotRunning(self._described(known).message or f'"{name}" does not run')
        return Upstream(known.port)

    async def inside(self, namespace: str, name: str) -> JsonObject | None:  # noqa: ARG002 - the port's
        return None

    async def history(self) -> Upstream | None:
        url = await self._runner.history()
        port = urlsplit(url).port
        return Upstream(port) if port else None

    def _described(self, known: KnownAgent) -> HubAgent:
        namespace, name = known.key
        message = self._failures.failures.get(name, "")
        if known.state is AgentState.STARTING:
            message = message or f'"{name}" is starting'
        return HubAgent(
            namespace=namespace,
            name=name,
            mode=str(known.summary.mode),
            state=HubState(known.state) if known.state else HubState.FAILED,
            message=message,
            description=known.summary.description,
            model=known.summary.model,
            version=known.summary.version if known.summary.version != INLINE_VERSION else "",
        )
