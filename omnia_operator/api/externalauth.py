"""Whose credentials the facade of an AgentRuntime accepts."""

from typing import Annotated

from pydantic import Field

from omnia_core.files.auth import Role
from omnia_operator.api.meta import SecretKey
from omnia_operator.api.model import HttpUrl, Label, Model, Text

HEADER_NAME = r"^[A-Za-z0-9-]+$"

Header = Annotated[str, Field(min_length=1, max_length=128, pattern=HEADER_NAME)]
ClaimName = Annotated[str, Field(min_length=1, max_length=256)]


class Management(Model):
    """Tokens of the cluster's ServiceAccounts, made for this agent: `kubectl create token ACCOUNT
    --audience omnia://NAMESPACE/AGENT`.
    """

    enabled: bool = True
    """Whether they are accepted."""
    namespaces: tuple[Label, ...] = Field(default=(), max_length=64)
    """More namespaces whose ServiceAccounts may talk to the agent; its own always may."""


class ClientKeyRules(Model):
    """Keys that are handed out. Each is a Secret of the agent's namespace with the labels
    `omnia.altairalabs.ai/credential-kind: agent-client-key` and `omnia.altairalabs.ai/agent`.
    """

    trust_end_user_header: bool = False
    """Whether the header `X-End-User-Id` names the person behind a key."""
    default_role: Role = Role.VIEWER
    """Role of the keys whose scopes name none."""


class ClaimMapping(Model):
    """Which claims of a token mean what. A name with dots leads into an object."""

    subject: ClaimName = "sub"
    """Claim that says whose token it is."""
    end_user: ClaimName | None = None
    """Claim that names the person behind the subject."""
    role: ClaimName | None = None
    """Claim with the role."""
    claims: tuple[ClaimName, ...] = Field(default=(), max_length=32)
    """Claims that the runtime is told."""


class Oidc(Model):
    """Tokens of an OpenID provider."""

    issuer: HttpUrl
    """Address of the provider, exactly as its tokens have it in `iss`. The operator fetches its
    keys, starting at `/.well-known/openid-configuration` below it."""
    audience: Text
    """Audience that tokens must have."""
    claim_mapping: ClaimMapping = Field(default_factory=ClaimMapping)
    """Which claims mean what."""


class HeaderMapping(Model):
    """Which headers mean what."""

    subject: Header = "x-user-id"
    """Header that says who is asking; a request without it is not let in by it."""
    end_user: Header | None = None
    """Header that names the person behind the subject."""
    email: Header | None = None
    """Header with the e-mail address, which the runtime is told."""
    role: Header | None = None
    """Header with the role."""


class EdgeTrust(Model):
    """Headers of a proxy in front of the agent that has checked who is asking. Whoever reaches the
    pod without passing the proxy can be anybody: keep them out by a NetworkPolicy.
    """

    header_mapping: HeaderMapping = Field(default_factory=HeaderMapping)
    """Which headers mean what."""
    claims_from_headers: dict[str, Header] = Field(default_factory=dict, max_length=32)
    """For each claim that the runtime is told, the header with its value."""


class ExternalAuth(Model):
    """Whose credentials are accepted. They are asked in this order, and the first that knows the
    kind of a credential decides; who has none is refused.
    """

    management: Management = Field(default_factory=Management)
    """Tokens of the cluster's ServiceAccounts."""
    client_keys: ClientKeyRules | None = None
    """Keys that are handed out."""
    oidc: Oidc | None = None
    """Tokens of an OpenID provider."""
    edge_trust: EdgeTrust | None = None
    """Headers of a proxy."""
    user_id_key_ref: SecretKey | None = None
    """Key of a Secret with which the ids that the runtime knows people by are made (HMAC-SHA-256).
    Without it they are plain hashes, which whoever knows a name can tell."""
