"""What the cluster knows about the tool servers of a registry."""

import base64
import binascii
from collections.abc import Mapping

from omnia_core.env.contract import SecretStr
from omnia_operator.api import ToolRegistry
from omnia_operator.cluster.kinds import SERVICE
from omnia_operator.cluster.port import Cluster
from omnia_operator.discovery import Context, Service, service_of


async def context_of(cluster: Cluster, registry: ToolRegistry) -> Context:
    """Return what the servers of a registry are asked with."""
    return Context(
        namespace=registry.metadata.namespace,
        services=await services_of(cluster, registry),
        credentials=await _credentials(cluster, registry),
        probe=registry.spec.probe,
    )


async def services_of(cluster: Cluster, registry: ToolRegistry) -> tuple[Service, ...]:
    """Return the Services that the selectors of a registry may mean."""
    namespaces = {
        each.selector.namespace or registry.metadata.namespace
        for each in registry.spec.handlers
        if each.selector is not None and each.address is None
    }
    found: list[Service] = []
    for namespace in sorted(namespaces):
        found += map(service_of, await cluster.find(SERVICE, namespace))
    return tuple(found)


async def _credentials(cluster: Cluster, registry: ToolRegistry) -> Mapping[str, SecretStr]:
    secrets: dict[str, Mapping[str, str]] = {}
    credentials: dict[str, SecretStr] = {}
    for handler in registry.spec.handlers:
        reference = handler.auth.secret_ref if handler.auth else None
        if reference is None:
            continue
        if reference.name not in secrets:
            key = registry.metadata.namespace, reference.name
            secrets[reference.name] = await cluster.secret_values(key)
        encoded = secrets[reference.name].get(reference.key)
        if encoded is not None:
            credentials[handler.name] = SecretStr(_decoded(encoded))
    return credentials


def _decoded(encoded: str) -> str:
    try:
        # What is no text fits in no header, and the question says so.
        return base64.b64decode(encoded).decode(errors="replace")
    except binascii.Error:
        return ""
