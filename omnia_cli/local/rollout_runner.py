"""Takes the steps of the rollouts of a run: observes, and starts and ends the candidates."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from omnia_cli.local.agent import LocalAgent, Machine
from omnia_cli.local.candidates import Candidates
from omnia_cli.local.conversations import Conversations
from omnia_cli.local.desired import Desired
from omnia_cli.local.objects import Key
from omnia_cli.local.ports import Ports
from omnia_cli.local.report import Reporter
from omnia_cli.local.rollouts import LocalRollout, ObservedRollout, RolloutAnswer, Rollouts
from omnia_cli.manifests import Document
from omnia_cli.reaper import Reaper
from omnia_core.names import Kind
from omnia_operator.api import AgentRuntime, parse
from omnia_operator.api.rollout import RolloutStatus
from omnia_operator.rollout.identity import digest_of
from omnia_operator.rollout.plan import AnalysisProgress, World
from omnia_operator.rollout.requests import RolloutRequest

if TYPE_CHECKING:
    from omnia_cli.local.analyses import LocalAnalyses


class RolloutRunner:
    """The rollouts of the agents of one `omnia up`.

    `agents` returns the agents that run, by namespace and name.
    """

    def __init__(
        self,
        reporter: Reporter,
        failed: Callable[[str, str], None],
        ports: Ports,
        reaper: Reaper,
        conversations: Conversations,
        agents: Callable[[], Mapping[Key, LocalAgent]],
    ) -> None:
        self._reporter = reporter
        self._agents = agents
        self._rollouts = Rollouts()
        self._candidates = Candidates(
            reporter, failed, ports, reaper, conversations, self._rollouts.hurry
        )
        self._analyses: LocalAnalyses | None = None

    @property
    def due(self) -> bool:
        """Whether a step is to be taken."""
        return self._rollouts.due

    def status(self, key: Key) -> RolloutStatus | None:
        """Return where the rollout of an agent stands; None: there is no such agent."""
        return self._rollouts.status(key)

    async def ask(self, key: Key, request: RolloutRequest) -> RolloutAnswer:
        """Ask for something; return when the next step has dealt with it.

        Raises:
            KeyError: there is no such agent.
        """
        return await self._rollouts.ask(key, request)

    def begin(self, documents: Sequence[Document]) -> None:
        """Let the rollouts begin with the next step: the agents themselves serve before."""
        for document in documents:
            if document.kind == Kind.AGENT_RUNTIME and _has_rollout(document):
                self._rollouts.hurry(document.key)

    async def observe(
        self, documents: Sequence[Document], now: str
    ) -> Mapping[Key, ObservedRollout]:
        """Return what is known about each agent that has a rollout, or had one."""
        found = {}
        for document in documents:
            if document.kind == Kind.AGENT_RUNTIME:
                found[document.key] = await self._observed(document, documents, now)
        return found

    async def apply(self, wanted: Desired, machine: Machine) -> None:
        """Bring the candidates to what was decided."""
        await self._candidates.keep(wanted.rollouts)
        self._rollouts.keep({**wanted.plans, **wanted.problems})
        for key in (*wanted.plans, *wanted.problems):
            self._rollouts.take(key, wanted.rollouts.get(key))
        for key, step in wanted.rollouts.items():
            for news in step.plan.news:
                self._reporter.note(key[1], news.message)
            self._rollouts.applied(key, step, runs=key in wanted.plans and key in self._agents())
            await self._converge(key, step, machine)

    async def stop(self) -> None:
        """End every candidate."""
        self._rollouts.keep({})
        await self._candidates.keep({})

    async def _converge(self, key: Key, step: LocalRollout, machine: Machine) -> None:
        if step.plan.candidate is None:
            await self._candidates.stop(key)
        elif step.candidate is not None:
            digest = digest_of(step.plan.candidate)
            if await self._candidates.apply(key, step.candidate, digest, machine):
                self._rollouts.hurry(key)

    async def _observed(
        self, document: Document, documents: Sequence[Document], now: str
    ) -> ObservedRollout:
        key = document.key
        world = World(now=now)
        door = self._candidates.door(key) if _has_rollout(document) else 0
        before = self._rollouts.status(key) or RolloutStatus()
        if before.active and before.candidate is not None:
            world = replace(
                world,
                candidate_ready=self._candidates.is_ready(key, digest_of(before.candidate)),
                candidate_failure=self._candidates.failure(key),
            )
            analysis = await self._measured(document, documents, before, world)
            world = replace(world, analysis=analysis)
        return self._rollouts.observed(key, door, world)

    async def _measured(
        self,
        document: Document,
        documents: Sequence[Document],
        before: RolloutStatus,
        world: World,
    ) -> AnalysisProgress | None:
        agent = parse(document.value)
        if not isinstance(agent, AgentRuntime) or not _has_analysis(agent):
            return None
        if self._analyses is None:
            # A local import: most runs measure nothing.
            from omnia_cli.local.analyses import LocalAnalyses  # noqa: PLC0415 - as above

            self._analyses = LocalAnalyses()
        programs = tuple(self._programs(document.key))
        return await self._analyses.progress(agent, before, world, documents, programs)

    def _programs(self, key: Key) -> Iterator[LocalAgent]:
        for agents in (self._agents(), self._candidates.agents):
            if key in agents:
                yield agents[key]


def _has_rollout(agent: Document) -> bool:
    return bool((agent.value.get("spec") or {}).get("rollout"))


def _has_analysis(agent: AgentRuntime) -> bool:
    rollout = agent.spec.rollout
    return rollout is not None and any(step.analysis for step in rollout.steps)
