"""Find what the facade of an agent needs to check credentials."""

from collections.abc import Iterator
from dataclasses import replace

import msgspec

from omnia_core import names
from omnia_core.files.auth import AuthFile
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_operator import labels
from omnia_operator.api import AgentRuntime
from omnia_operator.cluster.kinds import CONFIG_MAP, SECRET
from omnia_operator.cluster.port import Cluster, ClusterError
from omnia_operator.resolve import Answer, IssuerKeys, NoKeys

_FILE = names.AUTH_PATH.rpartition("/")[2]


async def client_key_secrets(cluster: Cluster, agent: AgentRuntime) -> list[JsonObject]:
    """Return the Secrets that are client keys of an agent."""
    listed = await cluster.find(SECRET, agent.metadata.namespace)
    return [each for each in listed if _is_key_of(agent, each["metadata"])]


async def cluster_issuer(cluster: Cluster) -> Answer:
    """Return who signs the tokens of the cluster's ServiceAccounts."""
    try:
        return await cluster.service_account_issuer()
    except ClusterError as error:
        said = f"the keys of ServiceAccount tokens cannot be read from the cluster: {error.message}"
        return NoKeys("Unreachable", said)


async def with_last(
    cluster: Cluster, agent: AgentRuntime, answer: Answer, issuer: str | None
) -> Answer:
    """Return an answer that knows the keys that the facade has now, should it have none itself.

    An operator that has just started, or a provider that is away, locks nobody out. `issuer` is
    the OpenID provider's; None stands for the cluster.
    """
    if not isinstance(answer, NoKeys):
        return answer
    namespace, name = agent.key
    found = await cluster.get(CONFIG_MAP, (namespace, f"{name}-auth"))
    text = ((found or {}).get("data") or {}).get(_FILE, "{}")
    try:
        file = msgspec.json.decode(text, type=AuthFile)
    except msgspec.DecodeError:
        return answer
    known = file.management if issuer is None else file.oidc
    if known is None or not known.keys or issuer not in (None, known.issuer):
        return answer
    return replace(answer, last=IssuerKeys(known.issuer, known.keys))


def _is_key_of(agent: AgentRuntime, metadata: JsonObject) -> bool:
    marked = metadata.get("labels") or {}
    if marked.get(labels.CREDENTIAL_KIND) != labels.CLIENT_KEY:
        return False
    # A key of a deleted agent opens no later agent of the same name.
    owners = list(_owners(metadata))
    return marked.get(labels.AGENT_NAME) == agent.metadata.name and (
        not owners or agent.metadata.uid in owners
    )


def _owners(metadata: JsonObject) -> Iterator[str]:
    for each in metadata.get("ownerReferences") or ():
        if each.get("kind") == Kind.AGENT_RUNTIME:
            yield each.get("uid", "")
