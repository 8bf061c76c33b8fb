"""Reads the objects that a resource refers to, directly or indirectly."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_operator.api import (
    AgentRuntime,
    PromptPack,
    Provider,
    RolloutAnalysis,
    SessionRetentionPolicy,
    ToolRegistry,
)
from omnia_operator.api.promptpack import PromptPackStatus
from omnia_operator.api.sessionretentionpolicy import SessionRetentionPolicyStatus
from omnia_operator.cluster.kinds import (
    CONFIG_MAP,
    CUSTOM,
    PROMPT_PACK,
    PROVIDER,
    SECRET,
    SERVICE,
    SESSION_RETENTION_POLICY,
    TOOL_REGISTRY,
    ObjectKind,
)
from omnia_operator.cluster.port import Cluster
from omnia_operator.reconcile.documents import parsed, status_of
from omnia_operator.references import (
    ClientKeySecrets,
    Group,
    LabelledServices,
    ObjectReference,
    Reference,
    RetentionPolicies,
    VersionsOfPack,
    groups_of,
    reference_to,
    references_of,
)
from omnia_operator.resolve import Found, RetentionPolicy, service_of

_MEMBERS: dict[type[Group], ObjectKind] = {
    ClientKeySecrets: SECRET,
    LabelledServices: SERVICE,
    VersionsOfPack: PROMPT_PACK,
    RetentionPolicies: SESSION_RETENTION_POLICY,
}
# A message about a missing object names the others of its kind.
_NAMED_WHEN_MISSING = (PROMPT_PACK, PROVIDER, TOOL_REGISTRY)


async def fetch(cluster: Cluster, kind: ObjectKind, document: JsonObject, now: str = "") -> Found:
    """Return the objects that a resource refers to.

    Raises:
        ClusterError: the API server did not answer.
    """
    found = Found(at=now)
    await _Fetch(cluster, found).follow(references_of(kind, document))
    return found


class _Fetch:
    def __init__(self, cluster: Cluster, found: Found) -> None:
        self._cluster = cluster
        self._found = found
        self._followed: set[Reference] = set()

    async def follow(self, references: AbstractSet[Reference]) -> None:
        for reference in references - self._followed:
            self._followed.add(reference)
            kind = _kind(reference)
            documents = await self._read(reference)
            for document in documents:
                own = reference_to(kind, document)
                if isinstance(reference, ClientKeySecrets):
                    self._found.client_keys[own.key] = frozenset(_owners(document))
                if own == reference or own not in self._followed:
                    self._followed.add(own)
                    self._keep(kind, document)
                    await self.follow(references_of(kind, document))
            if not documents and kind in _NAMED_WHEN_MISSING:
                for document in await self._cluster.find(kind, _namespace(reference)):
                    self._keep(kind, document)

    async def _read(self, reference: Reference) -> list[JsonObject]:
        if isinstance(reference, ObjectReference):
            document = await self._cluster.get(*reference)
            return [] if document is None else [document]
        kind = _kind(reference)
        candidates = await self._cluster.find(kind, reference.namespace)
        return [document for document in candidates if reference in groups_of(kind, document)]

    def _keep(self, kind: ObjectKind, document: JsonObject) -> None:
        if kind in CUSTOM:
            self._keep_resource(kind, document)
            return
        key, found = reference_to(kind, document).key, self._found
        if kind == SERVICE:
            found.services.append(service_of(document))
        elif kind == CONFIG_MAP:
            found.config_maps[key] = document.get("data") or {}
        elif kind == SECRET:
            found.secrets[key] = document.get("data") or {}

    def _keep_resource(self, kind: ObjectKind, document: JsonObject) -> None:
        key, found, resource = reference_to(kind, document).key, self._found, parsed(document)
        match resource:
            case PromptPack():
                # The status alone has the start of a canary.
                status = status_of(document, PromptPackStatus)
                found.packs[key] = resource.model_copy(update={"status": status})
            case Provider():
                found.providers[key] = resource
            case ToolRegistry():
                found.registries[key] = resource
            case SessionRetentionPolicy():
                found.policies.append(RetentionPolicy.of(resource))
            case AgentRuntime() | RolloutAnalysis():
                pass
            case str():
                found.invalid[Kind(kind.name), key] = resource
                if kind == SESSION_RETENTION_POLICY:
                    found.policies += _last_valid(document)


def _kind(reference: Reference) -> ObjectKind:
    if isinstance(reference, ObjectReference):
        return reference.kind
    return _MEMBERS[type(reference)]


def _namespace(reference: Reference) -> str:
    return reference.key[0] if isinstance(reference, ObjectReference) else reference.namespace


def _last_valid(policy: JsonObject) -> Iterator[RetentionPolicy]:
    """Yield an invalid policy as it was: the edit must not delete sessions or keep them longer."""
    last = status_of(policy, SessionRetentionPolicyStatus).last_valid_spec
    if last is not None:
        metadata = policy["metadata"]
        created = metadata.get("creationTimestamp") or ""
        yield RetentionPolicy(metadata["namespace"], metadata["name"], created, last)


def _owners(document: JsonObject) -> Iterator[str]:
    for owner in document["metadata"].get("ownerReferences") or ():
        if owner.get("kind") == Kind.AGENT_RUNTIME:
            yield owner.get("uid", "")
