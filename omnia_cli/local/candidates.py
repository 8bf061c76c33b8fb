"""The candidates of rollouts as processes: a second runtime, and the facade that is its door."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from omnia_cli.local.agent import AgentPorts, LocalAgent, Machine, localise
from omnia_cli.local.conversations import Conversations
from omnia_cli.local.group import Group
from omnia_cli.local.objects import CannotRun, Key
from omnia_cli.local.ports import Ports
from omnia_cli.local.readiness import wait_ready
from omnia_cli.local.report import Reporter
from omnia_cli.reaper import Reaper
from omnia_operator.plan import AgentPlan


@dataclass
class _Candidate:
    """A candidate that was started.

    Attributes:
        digest: of what it was started with.
        serves: whether all its programs answer.
        failure: why it cannot be started.
    """

    group: Group
    agent: LocalAgent | None = None
    digest: str = ""
    serves: bool = False
    failure: str = ""


class Candidates:
    """Runs the candidates; each has ports of its own as long as its agent is there."""

    def __init__(
        self,
        reporter: Reporter,
        failed: Callable[[str, str], None],
        ports: Ports,
        reaper: Reaper,
        conversations: Conversations,
        changed: Callable[[Key], None],
    ) -> None:
        """`changed` is called when a candidate serves, and when one of its programs has ended."""
        self._reporter = reporter
        self._failed = failed
        self._ports = ports
        self._reaper = reaper
        self._conversations = conversations
        self._changed = changed
        self._chosen: dict[Key, AgentPorts] = {}
        self._running: dict[Key, _Candidate] = {}

    def door(self, key: Key) -> int:
        """Return the port at which the candidate of an agent lets its facade in."""
        if key not in self._chosen:
            self._chosen[key] = AgentPorts.choose(self._ports.any(), self._ports)
        return self._chosen[key].peer

    def is_ready(self, key: Key, digest: str) -> bool:
        """Whether the candidate of an agent serves, with what the digest is of."""
        found = self._running.get(key)
        return (
            found is not None
            and found.serves
            and found.group.running
            and found.digest == digest
            and not found.failure
        )

    def failure(self, key: Key) -> str:
        """Return why a candidate does not get ready, if that does not pass by itself."""
        found = self._running.get(key)
        return "" if found is None else found.failure or found.group.given_up

    @property
    def agents(self) -> Mapping[Key, LocalAgent]:
        """The candidates that run."""
        return {key: each.agent for key, each in self._running.items() if each.agent}

    async def apply(self, key: Key, planned: AgentPlan, digest: str, machine: Machine) -> bool:
        """Start a candidate, or change it; return whether anything changed."""
        running = self._running.get(key)
        if running is None:
            group = Group(
                planned.name, self._reporter, self._failing(key), self._ready(key), self._reaper
            )
            running = self._running[key] = _Candidate(group)
        # Sessions are evaluated by the agent's own worker, whichever side answers.
        alone = replace(planned, evals=None)
        try:
            kept = self._conversations.kept(alone)
            running.agent = localise(kept, self._chosen[key], machine)
            changed = await running.group.apply(running.agent.processes, revive=False)
            running.failure = ""
        except (CannotRun, OSError) as error:
            changed = running.failure != str(error)
            running.failure = str(error)
        running.digest = digest
        return changed

    async def stop(self, key: Key) -> None:
        """End a candidate."""
        if key in self._running:
            await self._running.pop(key).group.stop()

    async def keep(self, keys: Mapping[Key, object]) -> None:
        """End the candidates of agents that are not among these, and free their ports."""
        for key in [key for key in self._chosen if key not in keys]:
            await self.stop(key)
            self._ports.release(*self._chosen.pop(key).all)

    def _failing(self, key: Key) -> Callable[[str, str], None]:
        def failed(name: str, reason: str) -> None:
            self._failed(name, reason)
            self._changed(key)

        return failed

    def _ready(self, key: Key) -> Callable[[Group], Awaitable[None]]:
        async def ready(group: Group) -> None:
            running = self._running[key]
            running.serves = False
            if running.agent is not None:
                waits = [wait_ready(url) for url in running.agent.health.values()]
                running.serves = await group.serves(waits)
                self._changed(key)

        return ready
