"""The state of a Deployment and its pods."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from omnia_core.jsonvalue import JsonObject

# Reasons of a waiting container that do not pass by themselves.
_STUCK = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
_CRASHES = 2


@dataclass(frozen=True)
class DeploymentState:
    """Numbers of pods, and why they could not be created."""

    desired: int = 0
    ready: int = 0
    available: int = 0
    updated: int = 0
    total: int = 0
    """Pods of earlier versions count too, until they are gone."""
    current: bool = False
    """Whether the numbers are about the latest generation."""
    failure: str | None = None

    @classmethod
    def of(cls, deployment: JsonObject) -> "DeploymentState":
        """Read a Deployment."""
        status: dict[str, Any] = deployment.get("status") or {}
        desired = (deployment.get("spec") or {}).get("replicas")
        generation = deployment["metadata"].get("generation", 0)
        return cls(
            desired=1 if desired is None else desired,
            ready=status.get("readyReplicas", 0),
            available=status.get("availableReplicas", 0),
            updated=status.get("updatedReplicas", 0),
            total=status.get("replicas", 0),
            current=status.get("observedGeneration", 0) >= generation,
            failure=_failure(status.get("conditions") or ()),
        )

    @property
    def complete(self) -> bool:
        """Whether all desired pods are available, and no pod of an earlier version is left.

        An available pod may be of an earlier version: during a rollout Kubernetes runs one more pod
        than is desired, and deletes the old one when the new one is available.
        """
        enough = min(self.updated, self.available) >= self.desired
        return self.current and enough and self.former == 0

    @property
    def former(self) -> int:
        """Number of pods of earlier versions."""
        return max(0, self.total - self.updated)


def _failure(conditions: Iterable[JsonObject]) -> str | None:
    for condition in conditions:
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return condition.get("message") or condition.get("reason") or ""
    return None


@dataclass(frozen=True)
class PodState:
    """Why a pod is not ready; `stuck` if that does not pass by itself."""

    name: str
    reason: str
    message: str
    stuck: bool

    @classmethod
    def of(cls, pod: JsonObject) -> "PodState | None":
        """Read a pod; None if it has no failure, or is being deleted."""
        name, status = pod["metadata"]["name"], pod.get("status") or {}
        if pod["metadata"].get("deletionTimestamp"):
            return None
        kinds = ("initContainerStatuses", "containerStatuses")
        for container in (each for kind in kinds for each in status.get(kind) or ()):
            found = _container(name, container)
            if found is not None:
                return found
        for condition in status.get("conditions") or ():
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
                reason = condition.get("reason") or "Unschedulable"
                return cls(name, reason, condition.get("message") or "", stuck=False)
        return None


def _container(pod: str, container: JsonObject) -> PodState | None:
    where = f"container {container['name']} of pod {pod}"
    waiting: JsonObject = (container.get("state") or {}).get("waiting") or {}
    ended: JsonObject = (container.get("lastState") or {}).get("terminated") or {}
    again = container.get("restartCount", 0) >= _CRASHES and not container.get("ready")
    reason = waiting.get("reason", "")
    if reason == "CrashLoopBackOff" or (ended and again):
        return PodState(pod, "CrashLoopBackOff", f"{where} {_end(ended)}", stuck=True)
    if reason in _STUCK:
        # Kubernetes alternates between the two reasons while it retries.
        reason = "ImagePullBackOff" if reason == "ErrImagePull" else reason
        return PodState(pod, reason, f"{where}: {waiting.get('message') or reason}", stuck=True)
    return None


def _end(ended: JsonObject) -> str:
    if ended.get("reason") == "OOMKilled":
        return "was killed because it used more memory than its limit: raise resources.limits"
    text = f"ended with exit code {ended.get('exitCode', 'unknown')}"
    lines = list(_lines(ended.get("message") or ""))
    return f"{text}; its last line was: {lines[-1]}" if lines else text


def _lines(text: str) -> Iterator[str]:
    return (line.strip() for line in text.splitlines() if line.strip())
