"""The RolloutAnalyses among manifests, and the processes that count what they measure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from omnia_cli.local.agent import LocalAgent
from omnia_cli.local.ports import LOOPBACK
from omnia_cli.manifests import Document
from omnia_core import names
from omnia_core.names import Kind
from omnia_operator.api import AgentRuntime, RolloutAnalysis, parse
from omnia_operator.api.rollout import RolloutStatus
from omnia_operator.api.rolloutanalysis import AgentQuery
from omnia_operator.discovery.egress import Egress
from omnia_operator.rollout.measuring import Measuring
from omnia_operator.rollout.plan import AnalysisProgress, World
from omnia_operator.rollout.pod_metrics import PodTarget, ports_of
from omnia_operator.rollout.progress import analysis_progress, missing_analysis


@dataclass(frozen=True)
class _Manifests:
    """What an analysis refers to, on this machine."""

    documents: Sequence[Document]
    programs: tuple[LocalAgent, ...]

    async def template(self, agent: AgentRuntime, name: str) -> RolloutAnalysis | AnalysisProgress:
        """Return the RolloutAnalysis of a name in the namespace of an agent."""
        there = [
            each
            for each in self.documents
            if each.kind == Kind.ROLLOUT_ANALYSIS and each.namespace == agent.key[0]
        ]
        for document in there:
            if document.name == name:
                found = parse(document.value)
                if isinstance(found, RolloutAnalysis):
                    return found
        return missing_analysis(name, "among the manifests", [each.name for each in there])

    async def targets(
        self,
        agent: AgentRuntime,
        query: AgentQuery,
        since: str,  # noqa: ARG002 - a process that starts again keeps its name
    ) -> tuple[PodTarget, ...]:
        """Return the processes of an agent that count a measure."""
        wanted = ports_of(query.measure, agent.key[1])
        return tuple(
            PodTarget(f"{instance}-{port}", instance, LOOPBACK, port, is_new=False)
            for instance, health in wanted.items()
            for port in _local_ports(self.programs, instance, health)
        )


def _local_ports(programs: Iterable[LocalAgent], instance: str, health: int) -> Iterator[int]:
    """Yield where the program listens that has this health port in the pods of an instance."""
    for program in programs:
        plan, ports = program.plan, program.ports
        if health == names.EVALS_HEALTH_PORT:
            if plan.evals is not None and plan.evals.name == instance:
                yield ports.evals_health
        elif plan.name == instance:
            yield {
                names.FACADE_HEALTH_PORT: ports.facade_health,
                names.RUNTIME_HEALTH_PORT: ports.runtime_health,
            }[health]


class LocalAnalyses:
    """The analyses of a run. Servers of this machine may be asked, unlike in a cluster."""

    def __init__(self) -> None:
        everywhere = Egress(lambda _: False)
        self._measuring = Measuring(everywhere, pods=everywhere)

    async def progress(
        self,
        agent: AgentRuntime,
        before: RolloutStatus,
        world: World,
        documents: Sequence[Document],
        programs: tuple[LocalAgent, ...],
    ) -> AnalysisProgress | None:
        """Measure what is due for the current step of an agent."""
        source = _Manifests(documents, programs)
        return await analysis_progress(source, agent, before, world, self._measuring)
