"""`omnia up`: start the agents and servers of the manifests, apply changes, stop everything."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from omnia_cli.local.agent import (
    AgentPorts,
    KnownAgent,
    LocalAgent,
    Machine,
    localise,
)
from omnia_cli.local.canaries import Steps
from omnia_cli.local.conversations import Conversations, in_memory
from omnia_cli.local.deployment import Workload, choose_ports, place_of, processes, workloads
from omnia_cli.local.desired import AgentSummary, Desired, desired
from omnia_cli.local.group import Group
from omnia_cli.local.history import Histories
from omnia_cli.local.model_servers import silent_servers
from omnia_cli.local.objects import Addresses, CannotRun, Key
from omnia_cli.local.ports import PortOccupied, Ports
from omnia_cli.local.process import ProcessSpec, inherited, write_files
from omnia_cli.local.readiness import wait_listening, wait_ready
from omnia_cli.local.report import AgentState, Reporter, Serving, VersionChange
from omnia_cli.local.rollout_runner import RolloutRunner
from omnia_cli.manifests import Document
from omnia_cli.reaper import Reaper
from omnia_cli.retention import remarks
from omnia_cli.system_errors import explained
from omnia_core.names import Kind
from omnia_operator.plan import AgentPlan, Settings
from omnia_operator.resolve import Problem

# Kinds that run here, and kinds that they use; a note names every other object.
RUN = {"AgentRuntime", "PromptPack", "ToolRegistry", "Provider", "SessionRetentionPolicy"}
USED = {"ConfigMap", "Secret", "Service", "Deployment", "Namespace", "RolloutAnalysis"}


@dataclass
class _Running:
    group: Group
    agent: LocalAgent | None = None
    runtime_pid: int = 0
    version: str = ""


@dataclass
class Runner:
    """Runs manifests on this machine.

    Attributes:
        root: private folder for volumes.
        announce: called with the agents that serve or start whenever they change.
        reaper: ends the processes if this one dies.
        port: the port of the first agent, in place of the manifest's.
        occupant: names the program that uses a port.
        log: the file with the lines of all programs.
        control: the socket for other commands.
        describe: says of a problem of an agent where it is among the documents.
        conversations: where agents that name no server keep their sessions.
        steps: the times at which canaries advance, without a change of the manifests.
        ports: hands out the ports of everything that runs here.
        hub: the URL of the page of all agents; "" without one.
        lost: why the last process of a server of the manifests ended, by the server's name.
    """

    root: Path
    reporter: Reporter
    environ: Mapping[str, str]
    announce: Callable[[Sequence[Serving]], None]
    reaper: Reaper
    conversations: Conversations
    port: int | None = None
    occupant: Callable[[int], str] = lambda _port: "another program"
    log: str = ""
    control: str = ""
    describe: Callable[[Document, Problem, Sequence[Document]], str] = (
        lambda _agent, problem, _documents: problem.message
    )
    steps: Steps = field(default_factory=Steps)
    ports: Ports = field(default_factory=Ports)
    hub: str = ""
    lost: dict[str, str] = field(default_factory=dict)
    _agent_ports: dict[Key, AgentPorts] = field(default_factory=dict)
    _workload_ports: dict[Key, dict[int, int]] = field(default_factory=dict)
    _agents: dict[Key, _Running] = field(default_factory=dict)
    _starting: dict[Key, Serving] = field(default_factory=dict)
    _workloads: dict[Key, _Running] = field(default_factory=dict)
    _noted: set[str] = field(default_factory=set)
    _broken: set[str] = field(default_factory=set)
    _places: Mapping[str, str] = field(default_factory=dict)
    _revive: bool = True
    _summaries: Mapping[Key, AgentSummary] = field(default_factory=dict)
    _histories: Histories = field(init=False)
    rollouts: RolloutRunner = field(init=False)

    def __post_init__(self) -> None:
        self._histories = Histories(self.reporter, self.ports, inherited(self.environ), self.reaper)
        self.rollouts = RolloutRunner(
            self.reporter, self._failed, self.ports, self.reaper, self.conversations, self._running
        )

    async def apply(self, documents: list[Document], *, first: bool, step: bool = False) -> bool:
        """Start, change and end processes as the manifests say; return whether any agent runs.

        With `step` the manifests are those of before: a canary or a rollout goes on.

        Raises:
            InvalidResource: a custom resource is not valid; nothing was changed.
        """
        self._revive = not step
        settings, now = Settings(allow_unauthenticated=True), self.steps.now()
        # A rollout begins when the agent itself serves.
        rollouts = None if first else await self.rollouts.observe(documents, now)
        wanted = desired(documents, self.environ, settings, self.steps.canaries, now, rollouts)
        self.steps.take(wanted.canaries)
        for name, text in wanted.canaries.news:
            self.reporter.note(name, text)
        self._note_others(documents)
        self._places = {document.name: place_of(document) for document in reversed(documents)}
        broken, self._broken = self._broken, set()
        self._report(wanted.problems, documents)
        machine = Machine(self.root, wanted.objects, Addresses(), inherited(self.environ), self.hub)
        servers = workloads(documents)
        self._address(servers, wanted, machine.addresses)
        await self._remove(wanted, {server.key for server in servers})
        before, self._summaries = self._summaries, wanted.summaries
        for _, name in before.keys() - wanted.summaries.keys():
            self.reporter.removed(name)
        self._starting = {
            key: LocalAgent(plan, self._agent_ports[key], ()).starting
            for key, plan in wanted.plans.items()
            if key in self._agent_ports and key not in self._agents
        }
        self._announce()
        await asyncio.gather(*(self._apply_workload(server, machine, first) for server in servers))
        await asyncio.gather(
            *(self._apply_agent(key, plan, machine, first) for key, plan in wanted.plans.items())
        )
        await self._histories.keep(agent for agent in self._running().values())
        await self.rollouts.apply(wanted, machine)
        if first:
            self.rollouts.begin(documents)
        for name in broken - self._broken:
            self.reporter.repaired(name)
        for name, finding in await silent_servers(documents):
            self._note(name, f"{finding.place}: {finding.message}")
        return bool(self._announce())

    def refused(self, name: str, why: str) -> None:
        """Report that a change is not in use; when it is right again, that is reported too."""
        self._broken.add(name)
        self.reporter.failed(name, f"the change is not in use: {why}")

    def _report(
        self, problems: Mapping[Key, tuple[Problem, ...]], documents: Sequence[Document]
    ) -> None:
        """Report what prevents an agent, and whether it goes on as it was."""
        for document in documents:
            if document.kind != Kind.AGENT_RUNTIME:
                continue
            for problem in problems.get(document.key, ()):
                why = self.describe(document, problem, documents)
                if document.key in self._agents:
                    self.refused(document.name, why)
                else:
                    self._broken.add(document.name)
                    self.reporter.failed(document.name, why)

    def _failed(self, name: str, reason: str) -> None:
        """Report a failure with the file and line of its object."""
        place = self._places.get(name)
        self.reporter.failed(name, f"{place}: {reason}" if place else reason)

    def _server_failed(self, name: str, reason: str) -> None:
        self.lost[name] = reason
        self._failed(name, reason)

    async def prepare(
        self, documents: list[Document], name: str, *, servers: bool = True
    ) -> ProcessSpec:
        """Start the servers of the manifests, and write the files of an agent's runtime.

        Args:
            documents: the manifests.
            name: the agent; "" for the only one.
            servers: whether the servers of the manifests are started.

        Returns:
            The runtime, which is not started.

        Raises:
            CannotRun: the agent is not among the manifests, or cannot run here.
            InvalidResource: a custom resource is not valid.
        """
        wanted = desired(documents, self.environ, Settings(allow_unauthenticated=True))
        machine = Machine(self.root, wanted.objects, Addresses(), inherited(self.environ), self.hub)
        key, plan = wanted.only(name)
        for other in wanted.plans:
            self._agent_ports[other] = AgentPorts.choose(self.ports.any(), self.ports)
        found = workloads(documents)
        self._address(found, wanted, machine.addresses)
        if servers:
            await asyncio.gather(
                *(self._apply_workload(server, machine, first=True) for server in found)
            )
        agent = localise(plan, self._agent_ports[key], machine)
        spec = next((each for each in agent.processes if each.title.endswith("/runtime")), None)
        if spec is None:
            raise CannotRun(f"{plan.name} has no runtime: its facade answers by itself")
        write_files({}, spec)
        return spec

    def serving(self) -> list[Serving]:
        """List the agents that run."""
        sessions = str(self.conversations.used or "")
        return [
            replace(
                agent.serving(self._agents[key].group.pids),
                sessions=sessions,
                log=self.log,
                hub=self.hub,
                control=self.control,
            )
            for key, agent in self._running().items()
            if key not in self._starting
        ]

    def known(self) -> Iterator[KnownAgent]:
        """Yield every agent of the manifests."""
        running = self._running()
        for key, summary in self._summaries.items():
            state = AgentState.READY if key in running else None
            if key in self._starting:
                state = AgentState.STARTING
            port = self._agent_ports[key].client if state else 0
            yield KnownAgent(key, summary, state, port)

    async def history(self) -> str:
        """Return the URL of a history of the conversations here, "" if they are kept nowhere."""
        agents = [running.agent for running in self._agents.values() if running.agent]
        if sessions := self.conversations.used:
            return await self._histories.of_file(sessions)
        return next((agent.history for agent in agents if agent.history), "")

    async def stop(self) -> None:
        """End every process."""
        everything = [*self._agents.values(), *self._workloads.values()]
        stopping = (running.group.stop() for running in everything)
        await asyncio.gather(self._histories.stop(), self.rollouts.stop(), *stopping)
        self.ports.close()
        self.conversations.close()

    def _running(self) -> Mapping[Key, LocalAgent]:
        """Return the agents whose programs run."""
        found = self._agents.items()
        return {key: each.agent for key, each in found if each.agent and each.group.running}

    def _announce(self) -> list[Serving]:
        """Announce the agents that serve, which it returns, and those that start."""
        serving = self.serving()
        self.announce([*serving, *self._starting.values()])
        return serving

    def _address(self, servers: list[Workload], wanted: Desired, addresses: Addresses) -> None:
        """Choose ports for new agents and servers, and map the names of Services to them."""
        for key, plan in wanted.plans.items():
            if key not in self._agent_ports:
                try:
                    client = self._client_port(plan)
                    self._agent_ports[key] = AgentPorts.choose(client, self.ports)
                except PortOccupied as error:
                    self._failed(plan.name, str(error))
                    continue
            addresses.add(key, plan.port, self._agent_ports[key].client)
        for server in servers:
            if server.key not in self._workload_ports:
                self._workload_ports[server.key] = choose_ports(server, self.ports)
            for key, port, local in server.addresses(self._workload_ports[server.key]):
                addresses.add(key, port, local)

    def _client_port(self, plan: AgentPlan) -> int:
        """Reserve the port of --port or of the manifest, or the next free one.

        Raises:
            PortOccupied: the port of --port is in use.
        """
        wanted = self.port or plan.port
        if self.port and not self._agent_ports:
            return self.ports.exactly(wanted, self.occupant)
        own = self.ports.is_taken(wanted)
        port = self.ports.from_(wanted)
        if port != wanted and not own:
            text = f"port {wanted} is occupied by {self.occupant(wanted)}: serves on port {port}"
            place = self._places.get(plan.name, "the manifest")
            self.reporter.note(
                plan.name, f"{text}; --port, or spec.facade.port ({place}), chooses another port"
            )
        return port

    async def _remove(self, wanted: Desired, servers: set[Key]) -> None:
        kept = {*wanted.plans, *wanted.problems}
        for key in [key for key in self._agents if key not in kept]:
            await self._agents.pop(key).group.stop()
            self.ports.release(*self._agent_ports.pop(key).all)
        for key in [key for key in self._workloads if key not in servers]:
            await self._workloads.pop(key).group.stop()
            self.ports.release(*self._workload_ports.pop(key).values())

    async def _apply_workload(self, server: Workload, machine: Machine, first: bool) -> None:
        namespace, name = server.key
        chosen = self._workload_ports[server.key]
        root = machine.root / f"{namespace}.{name}"
        try:
            specs = processes(
                server, chosen, root, machine.objects, machine.addresses, machine.inherited
            )
        except CannotRun as error:
            self._failed(name, str(error))
            return

        async def ready(group: Group) -> None:
            waits = [wait_listening(port) for port in chosen.values()]
            await group.serves(waits)

        running = self._workloads.setdefault(
            server.key,
            _Running(Group(name, self.reporter, self._server_failed, ready, self.reaper)),
        )
        await self._change(running.group, specs, first)

    async def _apply_agent(self, key: Key, plan: AgentPlan, machine: Machine, first: bool) -> None:
        if key not in self._agent_ports:
            return
        try:
            await self._run_agent(key, plan, machine, first)
        finally:
            # Also when it cannot run, so that no caller waits for it.
            if self._starting.pop(key, None):
                self._announce()

    async def _run_agent(self, key: Key, plan: AgentPlan, machine: Machine, first: bool) -> None:
        try:
            kept = self.conversations.kept(plan)
            agent = self._histories.named(localise(kept, self._agent_ports[key], machine))
        except CannotRun as error:
            self._failed(plan.name, str(error))
            return
        for note in agent.notes:
            self._note(plan.name, note)

        async def ready(group: Group) -> None:
            current = self._agents[key].agent
            assert current  # noqa: S101 - set before the group starts a process
            self._note_lost_conversations(self._agents[key], current)
            if await group.serves([wait_ready(url) for url in current.health.values()]):
                if self._starting.pop(key, None):
                    self._announce()
                self.reporter.ready(current.serving(group.pids))

        group = Group(plan.name, self.reporter, self._failed, ready, self.reaper)
        running = self._agents.setdefault(key, _Running(group))
        running.agent = agent
        version = self._summaries[key].version
        versions = VersionChange(running.version, version) if running.version != version else None
        running.version = version
        changing = self._change(running.group, agent.processes, first, versions)
        await asyncio.gather(changing, self._histories.start(agent))

    def _note_lost_conversations(self, running: _Running, agent: LocalAgent) -> None:
        """Report that a restarted runtime has lost the sessions in its memory."""
        pid, before = running.group.pids.get("runtime", 0), running.runtime_pid
        running.runtime_pid = pid
        if before not in (0, pid) and in_memory(agent.plan):
            self.reporter.note(
                agent.plan.name,
                "the runtime was restarted: its conversations were in memory and are lost; "
                "without --ephemeral they are kept",
            )

    async def _change(
        self,
        group: Group,
        specs: Sequence[ProcessSpec],
        first: bool,
        versions: VersionChange | None = None,
    ) -> None:
        try:
            changed = await group.apply(specs, revive=self._revive)
        except OSError as error:
            self._failed(group.name, f"cannot be started: {explained(error)}")
            return
        if changed and not first and self._revive:
            self.reporter.reloaded(group.name, versions)

    def _note_others(self, documents: list[Document]) -> None:
        for finding in remarks(documents):
            self._note(finding.object.rpartition("/")[2], finding.message)
        for document in documents:
            if document.kind not in RUN | USED:
                self._note(document.name, f"{document.kind}: not run on this machine")

    def _note(self, name: str, text: str) -> None:
        if f"{name} {text}" not in self._noted:
            self._noted.add(f"{name} {text}")
            self.reporter.note(name, text)
