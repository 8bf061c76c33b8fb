"""The protected-resource metadata (RFC 9728): which issuers' tokens this server accepts."""

from collections.abc import Sequence

from omnia_core.jsonvalue import JsonObject

WELL_KNOWN = "/.well-known/oauth-protected-resource"


def resource_metadata(resource: str, issuers: Sequence[str]) -> JsonObject:
    """Return the document of a resource, a URL. It must name at least one issuer."""
    return {
        "resource": resource,
        "authorization_servers": [*issuers],
        "bearer_methods_supported": ["header"],
    }


def challenge(metadata_url: str) -> str:
    """Return the `WWW-Authenticate` of a 401, which names the document."""
    return f'Bearer resource_metadata="{metadata_url}"'
