"""The keys of the token issuers that an agent trusts."""

from dataclasses import replace

import msgspec

from omnia_core import names
from omnia_core.files.auth import AuthFile
from omnia_operator.api import AgentRuntime
from omnia_operator.cluster.errors import ClusterError
from omnia_operator.cluster.kinds import CONFIG_MAP
from omnia_operator.cluster.manifest import owned
from omnia_operator.cluster.port import Cluster
from omnia_operator.discovery import Issuers
from omnia_operator.labels import OwnedNames, former_name
from omnia_operator.resolve import Found, IssuerAnswer, IssuerKeys, NoKeys

_FILE = names.AUTH_PATH.rpartition("/")[2]


async def with_issuers(
    cluster: Cluster, agent: AgentRuntime, issuers: Issuers, found: Found
) -> Found:
    """Return what was found together with the keys of the agent's token issuers."""
    rules = agent.spec.external_auth
    cluster_issuer = oidc = None
    if rules.management.enabled:
        answer = await issuers.get("", lambda: _cluster_issuer(cluster))
        cluster_issuer = await _with_last(cluster, agent, answer, None)
    if rules.oidc is not None:
        answer = await issuers.oidc(rules.oidc.issuer)
        oidc = await _with_last(cluster, agent, answer, rules.oidc.issuer)
    return replace(found, cluster_issuer=cluster_issuer, oidc=oidc)


async def _cluster_issuer(cluster: Cluster) -> IssuerAnswer:
    try:
        return await cluster.service_account_issuer()
    except ClusterError as error:
        message = f"the keys of ServiceAccount tokens cannot be read from the cluster: {error}"
        return NoKeys("Unreachable", message)


async def _with_last(
    cluster: Cluster, agent: AgentRuntime, answer: IssuerAnswer, issuer: str | None
) -> IssuerAnswer:
    """Add the keys that the facade has now to an answer without keys.

    So clients keep their access while a provider is away or after the operator has restarted.
    `issuer` is the OpenID provider's; None stands for the cluster.
    """
    if not isinstance(answer, NoKeys):
        return answer
    namespace, name = agent.key
    current = OwnedNames(name).config_map("auth")
    candidates = [
        await cluster.get(CONFIG_MAP, (namespace, file)) for file in (current, former_name(current))
    ]
    own = [found for found in candidates if found and owned(found, agent.metadata.uid)]
    if not own:
        return answer
    text = (own[0].get("data") or {}).get(_FILE, "{}")
    try:
        file = msgspec.json.decode(text, type=AuthFile)
    except msgspec.DecodeError:
        return answer
    known = file.management if issuer is None else file.oidc
    if known is None or not known.keys or issuer not in (None, known.issuer):
        return answer
    return replace(answer, last=IssuerKeys(known.issuer, known.keys))
