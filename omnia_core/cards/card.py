"""An agent card (A2A 1.0.1, section 4.4.1): what an agent says about itself.

The operator writes it into a mounted file, and signs it where it knows the public address; the
facade serves it.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from msgspec import Struct

from omnia_core.files.auth import AuthFile
from omnia_core.jsonvalue import JsonObject

JSONRPC_PATH = "/a2a"
REST_PATH = "/a2a/v1"
V10 = "1.0"
V03 = "0.3"
USAGE_EXTENSION = "https://omnia.altairalabs.ai/ext/usage/v1"
TOOLS_EXTENSION = "https://omnia.altairalabs.ai/ext/tools/v1"


class CardSkill(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Something that the agent can do.

    Attributes:
        private: whether only the extended card has it.
    """

    id: str
    name: str
    description: str
    tags: tuple[str, ...]
    examples: tuple[str, ...] = ()
    private: bool = False


class CardContent(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What the author of an agent says about it.

    Attributes:
        versions: of A2A that are served.
        push: whether changes of tasks are sent to clients.
        grpc: whether the agent is served over gRPC too.
    """

    name: str
    description: str
    version: str
    skills: tuple[CardSkill, ...]
    organization: str = ""
    organization_url: str = ""
    documentation_url: str = ""
    streaming: bool = True
    push: bool = False
    input_modes: tuple[str, ...] = ("text/plain",)
    output_modes: tuple[str, ...] = ("text/plain",)
    versions: tuple[str, ...] = (V10, V03)
    grpc: bool = False

    @property
    def has_private_skills(self) -> bool:
        """Whether there is an extended card."""
        return any(skill.private for skill in self.skills)


def interfaces(public_url: str, versions: Sequence[str], *, grpc: bool = False) -> list[JsonObject]:
    """Return the addresses of an agent, the preferred one first; 0.3 has one binding."""
    base = public_url.rstrip("/")
    found: list[JsonObject] = []
    for version, binding, path in (
        (V10, "JSONRPC", JSONRPC_PATH),
        (V10, "HTTP+JSON", REST_PATH),
        (V03, "JSONRPC", JSONRPC_PATH),
    ):
        if version in versions:
            found.append(
                {"url": base + path, "protocolBinding": binding, "protocolVersion": version}
            )
    # gRPC knows no path in front of that of its service.
    if grpc and V10 in versions and not urlsplit(base).path:
        target = grpc_target(base)
        found.append({"url": target, "protocolBinding": "GRPC", "protocolVersion": V10})
    return found


def grpc_target(url: str) -> str:
    """Return `host:port` of an HTTP address, as gRPC clients name a server."""
    address = urlsplit(url)
    port = address.port or (443 if address.scheme == "https" else 80)
    host = address.hostname or ""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def card_document(
    content: CardContent,
    auth: AuthFile | None,
    public_url: str,
    *,
    extended: bool = False,
) -> JsonObject:
    """Return the card, without signatures.

    No member is empty: verifiers disagree on whether an empty one is signed.

    Args:
        content: what the author says.
        auth: the credentials that are accepted; None if none is needed.
        public_url: where clients reach the agent.
        extended: with the private skills too.
    """
    organization: JsonObject = {}
    if content.organization:
        provider = {
            "organization": content.organization,
            # Required beside the name.
            "url": content.organization_url or content.documentation_url or public_url,
        }
        organization = {"provider": provider}
    documentation = (
        {"documentationUrl": content.documentation_url} if content.documentation_url else {}
    )
    return {
        "name": content.name,
        "description": content.description,
        "supportedInterfaces": interfaces(public_url, content.versions, grpc=content.grpc),
        **organization,
        "version": content.version,
        **documentation,
        "capabilities": {
            "streaming": content.streaming,
            "pushNotifications": content.push,
            "extendedAgentCard": content.has_private_skills,
            "extensions": [
                {"uri": USAGE_EXTENSION, "description": "Tokens and cost in a task's metadata"},
                {
                    "uri": TOOLS_EXTENSION,
                    "description": "Tool calls of the agent as status updates",
                },
            ],
        },
        **security(auth),
        "defaultInputModes": [*content.input_modes],
        "defaultOutputModes": [*content.output_modes],
        "skills": [_skill(skill) for skill in content.skills if extended or not skill.private],
    }


def security(auth: AuthFile | None) -> JsonObject:
    """Return the credentials as security schemes; each is an alternative.

    A trusted proxy is none: its clients have credentials that only it knows.
    """
    schemes: JsonObject = {}
    if auth is None or auth.edge_trust:
        return {}
    if auth.oidc:
        issuer = auth.oidc.issuer.rstrip("/")
        schemes["openid"] = {
            "openIdConnectSecurityScheme": {
                "openIdConnectUrl": f"{issuer}/.well-known/openid-configuration"
            }
        }
    schemes["bearer"] = {"httpAuthSecurityScheme": {"scheme": "bearer"}}
    return {
        "securitySchemes": schemes,
        "securityRequirements": [{"schemes": {name: {}}} for name in schemes],
    }


def _skill(skill: CardSkill) -> JsonObject:
    return {
        "id": skill.id,
        "name": skill.name,
        "description": skill.description,
        "tags": [*skill.tags] or ["agent"],
        **({"examples": [*skill.examples]} if skill.examples else {}),
    }
