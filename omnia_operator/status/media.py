"""What the status says of uploads."""

from collections.abc import Iterator

from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.status.conditions import Verdict, false, true

MEDIA_READY = "MediaReady"

_WITH_THE_POD = "files are kept as long as the pod: facade.media.persistentVolumeClaim is not set"
_NOT_SHARED = (
    "each pod keeps the files that were sent to it, and another pod does not find them: set"
    " facade.media.persistentVolumeClaim to a ReadWriteMany claim, or run one replica without"
    " autoscaling"
)


def media_verdicts(agent: AgentRuntime) -> Iterator[Verdict]:
    """Yield the condition about uploads, if clients may upload; the pods run whatever it says."""
    media, workload = agent.spec.facade.media, agent.spec.runtime
    if media is None or not media.enabled:
        return
    scaling = workload.autoscaling
    most = scaling.max_replicas if scaling and scaling.enabled else workload.replicas
    if media.persistent_volume_claim is not None:
        yield true(MEDIA_READY, "PersistentVolumeClaim")
    elif most > 1:
        yield false(MEDIA_READY, "NotShared", _NOT_SHARED)
    else:
        yield true(MEDIA_READY, "SinglePod", _WITH_THE_POD)
