"""Reconciles a RolloutAnalysis: whether its conditions and arguments can be read."""

from omnia_operator.api import RolloutAnalysis
from omnia_operator.api.rolloutanalysis import RolloutAnalysisStatus
from omnia_operator.cluster.kinds import ROLLOUT_ANALYSIS
from omnia_operator.cluster.port import Cluster
from omnia_operator.reconcile.documents import generation_of, parsed, status_of
from omnia_operator.reconcile.publish import publish
from omnia_operator.resolve import Key
from omnia_operator.scheduling import Requeue
from omnia_operator.status import analysis_status


async def reconcile_analysis(cluster: Cluster, key: Key, now: str) -> Requeue:
    """Write the status of a RolloutAnalysis; the API server cannot check its conditions."""
    document = await cluster.get(ROLLOUT_ANALYSIS, key)
    if document is None or document["metadata"].get("deletionTimestamp"):
        return Requeue.NO
    resource = parsed(document)
    fault = "" if isinstance(resource, RolloutAnalysis) else str(resource)
    before = status_of(document, RolloutAnalysisStatus)
    after = analysis_status(generation_of(document), fault, before, now)
    await publish(
        cluster, ROLLOUT_ANALYSIS, document, (before, after), good="Ready", bad=(), now=now
    )
    return Requeue.NO
