"""Applies the objects of an agent, and deletes those that are no longer needed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from omnia_core.errors import Code
from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.errors import ClusterError, KindMissing, NotOwned, name_taken
from omnia_operator.cluster.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    HPA,
    HTTP_ROUTE,
    INGRESS,
    OWNED,
    SCALED_OBJECT,
    SECRET,
    SERVICE,
    ObjectKind,
)
from omnia_operator.cluster.manifest import Manifest, belongs, owned
from omnia_operator.cluster.port import Cluster
from omnia_operator.labels import OwnedNames
from omnia_operator.manifests import Used, uses
from omnia_operator.plan import AgentPlan
from omnia_operator.reconcile.drift import Corrections, correction, drifted, keep
from omnia_operator.resolve import Problem
from omnia_operator.status import EVALS_READY, EXPOSE_READY, Announcement

_CONDITIONS = {
    SERVICE: ("ServiceReady", "ServiceFailed"),
    HPA: ("AutoscalingReady", "Error"),
    SCALED_OBJECT: ("AutoscalingReady", "Error"),
    INGRESS: (EXPOSE_READY, "Error"),
    HTTP_ROUTE: (EXPOSE_READY, "Error"),
}
_OTHERS = ("DeploymentReady", "DeploymentFailed")


@dataclass
class Applied:
    """The result of applying."""

    problems: list[Problem] = field(default_factory=list)
    files_changed: bool = False
    """Whether a ConfigMap or Secret that pods may have mounted has new content."""
    news: list[Announcement] = field(default_factory=list)
    """What others had changed."""


async def apply(
    cluster: Cluster,
    agent: AgentPlan,
    manifests: Sequence[Manifest],
    corrections: Corrections,
    now: str,
) -> Applied:
    """Apply the objects that differ, each after those that it uses.

    A failure of one does not stop the others, except those that use it: pods must not run as
    somebody else's ServiceAccount or read somebody else's files, and an autoscaler must not scale
    somebody else's Deployment. What runs already stays, unless it uses such an object.
    """
    outcome = Applied()
    # Names of the agent that cannot be used: the object is somebody else's, or does not exist.
    unusable = await _taken_without_manifest(cluster, agent, manifests)
    outcome.problems += [_problem(agent, used, error) for used, error in unusable.items()]
    for manifest in manifests:
        used, live = Used(manifest.kind, manifest.key[1]), None
        try:
            live = await _own(cluster, agent, manifest)
            lacking = uses(manifest.body) & unusable.keys()
            if lacking:
                live = await _withdrawn(cluster, manifest, live, unusable)
                raise _waiting(min(lacking, key=str))
            kept = await keep(cluster, manifest, live, corrections, now)
            if kept.written:
                known = live is not None and manifest.kind == CONFIG_MAP
                # Pods may have mounted a Secret before it existed.
                outcome.files_changed |= known or manifest.kind == SECRET
            if kept.corrected:
                outcome.news.append(correction(manifest, kept.corrected))
            if kept.drifted:
                outcome.problems.append(drifted(manifest, kept.drifted))
        except ClusterError as error:
            outcome.problems.append(_problem(agent, used, error))
            if live is None:
                unusable[used] = error
    return outcome


async def prune(cluster: Cluster, agent: AgentPlan, manifests: Iterable[Manifest]) -> bool:
    """Delete the objects without a manifest; return whether a Secret was among them."""
    secret = False
    wanted = {(manifest.kind, manifest.key) for manifest in manifests}
    for kind in OWNED:
        for live in await cluster.find(kind, agent.namespace, agent.name):
            metadata = live["metadata"]
            key = metadata["namespace"], metadata["name"]
            # Somebody may have copied an object of the agent, with its labels, to another name.
            ours = owned(live, agent.uid) or (
                key[1] in agent.names.every and belongs(live, agent.owners[0])
            )
            if (kind, key) not in wanted and ours:
                await cluster.delete(kind, key, metadata["uid"])
                secret |= kind == SECRET
    return secret


async def delete_instance(cluster: Cluster, namespace: str, instance: str, uid: str) -> None:
    """Delete the objects of an instance that an agent with this uid owns."""
    for kind in OWNED:
        for live in await cluster.find(kind, namespace, instance):
            metadata = live["metadata"]
            if owned(live, uid):
                await cluster.delete(kind, (namespace, metadata["name"]), metadata["uid"])


async def _own(cluster: Cluster, agent: AgentPlan, manifest: Manifest) -> JsonObject | None:
    """Return the object of a manifest; None if it does not exist.

    Raises:
        NotOwned: it belongs to somebody else.
    """
    live, owner = await cluster.get(manifest.kind, manifest.key), agent.owners[0]
    if live is not None and not belongs(live, owner):
        raise name_taken(manifest.kind, manifest.key[1], owner, live)
    return live


async def _taken_without_manifest(
    cluster: Cluster, agent: AgentPlan, manifests: Iterable[Manifest]
) -> dict[Used, ClusterError]:
    """Find somebody else's objects that pods would mount where the agent needs none of its own."""
    wanted = {Used(manifest.kind, manifest.key[1]) for manifest in manifests}
    used = {used for manifest in manifests for used in uses(manifest.body)}
    taken: dict[Used, ClusterError] = {}
    schedule = OwnedNames(agent.agent or agent.name).config_map("rollout")
    optional = {Used(CONFIG_MAP, schedule), *(Used(SECRET, each) for each in agent.names.secrets)}
    for absent in sorted((optional & used) - wanted, key=str):
        live = await cluster.get(absent.kind, (agent.namespace, absent.name))
        if live is not None and not belongs(live, agent.owners[0]):
            taken[absent] = name_taken(absent.kind, absent.name, agent.owners[0], live)
    return taken


async def _withdrawn(
    cluster: Cluster,
    manifest: Manifest,
    live: JsonObject | None,
    unusable: Mapping[Used, ClusterError],
) -> JsonObject | None:
    """Delete an object of the agent if it uses what belongs to somebody else; else return it."""
    foreign = {
        used
        for used, error in unusable.items()
        if isinstance(error, NotOwned) and not error.transient
    }
    if live is None or not uses(live) & foreign:
        return live
    await cluster.delete(manifest.kind, manifest.key, live["metadata"]["uid"])
    return None


def _waiting(used: Used) -> ClusterError:
    message = f"it uses {used}, which this agent does not have: see the message about that object"
    return ClusterError(Code.FAILED_PRECONDITION, message, transient=False)


_NOT_INSTALLED = {
    SCALED_OBJECT: (
        "KEDANotInstalled",
        "KEDA is not installed: install it, or set runtime.autoscaling.type: hpa",
    ),
    HTTP_ROUTE: (
        "GatewayAPINotInstalled",
        "the Gateway API is not installed: install it, or set facade.expose.ingress",
    ),
}


def not_installed(kind: ObjectKind) -> Problem:
    """Return the problem that the cluster lacks a kind; its installation causes no event."""
    reason, message = _NOT_INSTALLED[kind]
    return Problem(_CONDITIONS[kind][0], reason, message, retry=True)


def _problem(agent: AgentPlan, used: Used, error: ClusterError) -> Problem:
    kind, name = used
    condition, reason = _CONDITIONS.get(kind, _OTHERS)
    if used == Used(DEPLOYMENT, agent.names.evals):
        condition, reason = EVALS_READY, "NotReady"
    if isinstance(error, KindMissing):
        return not_installed(kind)
    if isinstance(error, NotOwned):
        # The watches do not deliver the end of an object without the operator's labels.
        return Problem(condition, "NotOwned", error.message, retry=True)
    return Problem(condition, reason, f"{kind} {name}: {error.message}", retry=error.transient)
