"""The RolloutAnalyses of a cluster, and the pods that count what they measure."""

from collections.abc import AsyncIterator

from omnia_operator.api import AgentRuntime, RolloutAnalysis
from omnia_operator.api.rolloutanalysis import AgentQuery
from omnia_operator.cluster.kinds import POD, ROLLOUT_ANALYSIS
from omnia_operator.cluster.port import Cluster
from omnia_operator.reconcile.documents import parsed
from omnia_operator.rollout.comparison import MOST_PODS
from omnia_operator.rollout.plan import AnalysisProgress
from omnia_operator.rollout.pod_metrics import PodTarget, ports_of
from omnia_operator.rollout.progress import missing_analysis
from omnia_operator.rollout.times import elapsed


class ClusterAnalyses:
    """Finds the RolloutAnalysis of a step, and the pods of its agent."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def template(self, agent: AgentRuntime, name: str) -> RolloutAnalysis | AnalysisProgress:
        """Return the RolloutAnalysis of a name in the namespace of an agent."""
        namespace = agent.key[0]
        document = await self._cluster.get(ROLLOUT_ANALYSIS, (namespace, name))
        if document is None:
            others = await self._cluster.find(ROLLOUT_ANALYSIS, namespace)
            names = [each["metadata"]["name"] for each in others]
            return missing_analysis(name, f"in the namespace {namespace}", names)
        resource = parsed(document)
        if isinstance(resource, RolloutAnalysis):
            return resource
        message = f"the RolloutAnalysis {name} is invalid: {resource}"
        return AnalysisProgress(obstacle="AnalysisInvalid", message=message)

    async def targets(
        self, agent: AgentRuntime, query: AgentQuery, since: str
    ) -> tuple[PodTarget, ...]:
        """Return the pods of an agent that count a measure."""
        return tuple([each async for each in self._targets(agent, query, since)])

    async def _targets(
        self, agent: AgentRuntime, query: AgentQuery, since: str
    ) -> AsyncIterator[PodTarget]:
        namespace, name = agent.key
        for instance, port in ports_of(query.measure, name).items():
            for pod in (await self._cluster.find(POD, namespace, instance))[:MOST_PODS]:
                metadata, address = pod["metadata"], (pod.get("status") or {}).get("podIP")
                if address and not metadata.get("deletionTimestamp"):
                    created = metadata.get("creationTimestamp") or ""
                    yield PodTarget(
                        uid=metadata.get("uid", ""),
                        name=metadata["name"],
                        address=address,
                        port=port,
                        is_new=elapsed(since, created or since) > 0,
                    )
