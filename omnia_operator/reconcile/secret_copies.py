"""The Secrets of an agent: keys that its pods cannot mount, and those that we make ourselves."""

from base64 import b64encode
from secrets import token_hex

from omnia_operator.cluster.manifest import Manifest
from omnia_operator.cluster.port import Cluster
from omnia_operator.manifests import secrets
from omnia_operator.plan import AgentPlan
from omnia_operator.plan.doors import card_key_copy
from omnia_operator.plan.rollout import peer_token
from omnia_operator.resolve import Found, Resolved, SecretSource

_TOKEN_BYTES = 32


async def copied_manifests(
    cluster: Cluster, planned: AgentPlan, resolved: Resolved
) -> list[Manifest]:
    """Return the Secrets; what we make ourselves is made once, and then kept."""
    values = {}
    for copy in planned.secret_copies:
        source = await cluster.secret_values((copy.source.namespace, copy.source.name))
        values[copy] = source.get(copy.source.key, "")
        if not values[copy] and resolved.card_key and copy == card_key_copy(resolved):
            values[copy] = b64encode(resolved.card_key.pem.encode()).decode()
        elif not values[copy] and copy == peer_token(planned.namespace, planned.name):
            values[copy] = b64encode(token_hex(_TOKEN_BYTES).encode()).decode()
    return secrets(planned, values)


def versions_of(found: Found) -> dict[SecretSource, str]:
    """Return for each key of the Secrets a digest of its value."""
    return {
        SecretSource(*key, name): digest
        for key, data in found.secrets.items()
        for name, digest in data.items()
    }
