"""`omnia up`: start what the manifests ask for, follow their changes, stop everything."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from omnia_cli.local.agent import AgentPorts, LocalAgent, Machine, localise
from omnia_cli.local.canaries import Steps
from omnia_cli.local.deployment import Workload, choose_ports, processes, workloads
from omnia_cli.local.desired import Desired, desired
from omnia_cli.local.group import Group
from omnia_cli.local.history import Histories
from omnia_cli.local.objects import Addresses, CannotRun, Key
from omnia_cli.local.ports import PortOccupied, Ports
from omnia_cli.local.process import ProcessSpec, inherited
from omnia_cli.local.readiness import wait_listening, wait_ready
from omnia_cli.local.reaper import Reaper
from omnia_cli.local.report import Reporter, Serving
from omnia_cli.manifests import Document
from omnia_cli.retention import remarks
from omnia_operator.plan import AgentPlan, Settings

# Names that other objects of the manifests have here, and whose absence is worth a word.
RUN = {"AgentRuntime", "PromptPack", "ToolRegistry", "Provider", "SessionRetentionPolicy"}
USED = {"ConfigMap", "Secret", "Service", "Deployment", "Namespace"}


@dataclass
class _Running:
    group: Group
    agent: LocalAgent | None = None


@dataclass
class Runner:
    """Runs manifests on this machine.

    Attributes:
        root: private folder for volumes.
        announce: called with the running agents whenever they change.
        reaper: ends the processes if this one dies.
        steps: the times at which canaries advance, without a change of the manifests.
    """

    root: Path
    reporter: Reporter
    environ: Mapping[str, str]
    announce: Callable[[Sequence[Serving]], None]
    reaper: Reaper
    steps: Steps = field(default_factory=Steps)
    _ports: Ports = field(default_factory=Ports)
    _agent_ports: dict[Key, AgentPorts] = field(default_factory=dict)
    _workload_ports: dict[Key, dict[int, int]] = field(default_factory=dict)
    _agents: dict[Key, _Running] = field(default_factory=dict)
    _workloads: dict[Key, _Running] = field(default_factory=dict)
    _noted: set[str] = field(default_factory=set)
    _histories: Histories = field(init=False)

    def __post_init__(self) -> None:
        self._histories = Histories(
            self.reporter, self._ports, inherited(self.environ), self.reaper
        )

    async def apply(self, documents: list[Document], *, first: bool) -> bool:
        """Bring the processes to what the manifests ask for; return whether any agent runs.

        Raises:
            InvalidResource: a custom resource is not valid; nothing was changed.
        """
        settings, now = Settings(allow_unauthenticated=True), self.steps.now()
        wanted = desired(documents, self.environ, settings, self.steps.canaries, now)
        self.steps.take(wanted.canaries)
        for name, text in wanted.canaries.news:
            self.reporter.note(name, text)
        self._note_others(documents)
        for key, problems in wanted.problems.items():
            reason = "; ".join(problem.message for problem in problems)
            self.reporter.failed(key[1], reason)
        machine = Machine(self.root, wanted.objects, Addresses(), inherited(self.environ))
        servers = workloads(documents)
        self._address(servers, wanted, machine.addresses)
        await self._remove(wanted, {each.key for each in servers})
        await asyncio.gather(*(self._apply_workload(each, machine, first) for each in servers))
        await asyncio.gather(
            *(self._apply_agent(key, each, machine, first) for key, each in wanted.plans.items())
        )
        await self._histories.keep(each.agent for each in self._agents.values() if each.agent)
        serving = self.serving()
        self.announce(serving)
        return bool(serving)

    def serving(self) -> list[Serving]:
        """List the agents that run."""
        return [
            each.agent.serving(each.group.pids)
            for each in self._agents.values()
            if each.agent and each.group.running
        ]

    async def stop(self) -> None:
        """End every process."""
        everything = [*self._agents.values(), *self._workloads.values()]
        stopping = (each.group.stop() for each in everything)
        await asyncio.gather(self._histories.stop(), *stopping)

    def _address(self, servers: list[Workload], wanted: Desired, addresses: Addresses) -> None:
        """Choose ports for what is new, and let the names of Services lead to them."""
        alone = len(wanted.plans) + len(wanted.problems) == 1
        for key, plan in wanted.plans.items():
            if key not in self._agent_ports:
                try:
                    self._agent_ports[key] = AgentPorts.choose(plan, self._ports, alone=alone)
                except PortOccupied as error:
                    self.reporter.failed(plan.name, str(error))
                    continue
            addresses.add(key, plan.port, self._agent_ports[key].client)
        for server in servers:
            if server.key not in self._workload_ports:
                self._workload_ports[server.key] = choose_ports(server, self._ports)
            for key, port, local in server.addresses(self._workload_ports[server.key]):
                addresses.add(key, port, local)

    async def _remove(self, wanted: Desired, servers: set[Key]) -> None:
        kept = {*wanted.plans, *wanted.problems}
        for key in [each for each in self._agents if each not in kept]:
            await self._agents.pop(key).group.stop()
            self._ports.release(*self._agent_ports.pop(key).all)
        for key in [each for each in self._workloads if each not in servers]:
            await self._workloads.pop(key).group.stop()
            self._ports.release(*self._workload_ports.pop(key).values())

    async def _apply_workload(self, server: Workload, machine: Machine, first: bool) -> None:
        namespace, name = server.key
        chosen = self._workload_ports[server.key]
        root = machine.root / f"{namespace}.{name}"
        try:
            specs = processes(
                server, chosen, root, machine.objects, machine.addresses, machine.inherited
            )
        except CannotRun as error:
            self.reporter.failed(name, str(error))
            return

        async def ready(group: Group) -> None:
            waits = [wait_listening(port) for port in chosen.values()]
            await group.serves(waits)

        running = self._workloads.setdefault(
            server.key, _Running(Group(name, self.reporter, ready, self.reaper))
        )
        await self._go_over(running.group, specs, first)

    async def _apply_agent(self, key: Key, plan: AgentPlan, machine: Machine, first: bool) -> None:
        if key not in self._agent_ports:
            return
        try:
            agent = self._histories.named(localise(plan, self._agent_ports[key], machine))
        except CannotRun as error:
            self.reporter.failed(plan.name, str(error))
            return
        for note in agent.notes:
            self._note(plan.name, note)

        async def ready(group: Group) -> None:
            current = self._agents[key].agent
            assert current  # noqa: S101 - set before the group starts anything
            if await group.serves([wait_ready(url) for url in current.health.values()]):
                self.reporter.ready(current.serving(group.pids))

        group = Group(plan.name, self.reporter, ready, self.reaper)
        running = self._agents.setdefault(key, _Running(group))
        running.agent = agent
        going = self._go_over(running.group, agent.processes, first)
        await asyncio.gather(going, self._histories.start(agent))

    async def _go_over(self, group: Group, specs: Sequence[ProcessSpec], first: bool) -> None:
        try:
            changed = await group.apply(specs)
        except OSError as error:
            self.reporter.failed(group.name, f"cannot be started: {error}")
            return
        if changed and not first:
            self.reporter.reloaded(group.name)

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
