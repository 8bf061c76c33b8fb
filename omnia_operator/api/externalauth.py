"""Which credentials the facade of an AgentRuntime accepts."""

from typing import Annotated

from pydantic import Field

from omnia_core.files.auth import Role
from omnia_operator.api.meta import SecretKey
from omnia_operator.api.model import HttpUrl, Model, Text

HEADER_NAME = r"^[A-Za-z0-9-]+$"

Header = Annotated[str, Field(min_length=1, max_length=128, pattern=HEADER_NAME)]
NAMESPACE_OR_ALL = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?|\*)$"
NamespaceOrAll = Annotated[str, Field(min_length=1, max_length=63, pattern=NAMESPACE_OR_ALL)]
ClaimName = Annotated[str, Field(min_length=1, max_length=256)]


class Management(Model):
    """Tokens of the cluster's ServiceAccounts for this agent: `kubectl create token ACCOUNT
    --audience omnia://NAMESPACE/AGENT`.
    """

    enabled: bool = True
    """Whether they are accepted."""
    namespaces: tuple[NamespaceOrAll, ...] = Field(default=(), max_length=64)
    """Other namespaces whose ServiceAccounts are accepted, besides the agent's own; `"*"` is every
    namespace."""


class ClientKeyRules(Model):
    """Client keys. Each is a Secret of the agent's namespace with the labels
    `omnia.altairalabs.ai/credential-kind: agent-client-key` and `omnia.altairalabs.ai/agent`.
    """

    trust_end_user_header: bool = False
    """Whether the header `X-End-User-Id` names the end user of a request."""
    default_role: Role = Role.VIEWER
    """Role of keys whose scopes have no role."""


class ClaimMapping(Model):
    """Meaning of the claims of a token. A name with dots is a path into an object."""

    subject: ClaimName = "sub"
    """Claim with the subject of the token."""
    end_user: ClaimName | None = None
    """Claim with the end user behind the subject."""
    role: ClaimName | None = None
    """Claim with the role."""
    claims: tuple[ClaimName, ...] = Field(default=(), max_length=32)
    """Claims that are passed to the runtime."""


class Oidc(Model):
    """Tokens of an OpenID provider."""

    issuer: HttpUrl
    """Address of the provider, exactly as in the `iss` of its tokens. The operator fetches its keys
    by `/.well-known/openid-configuration` below this address."""
    audience: Text
    """Required audience of tokens."""
    claim_mapping: ClaimMapping = Field(default_factory=ClaimMapping)
    """Meaning of the claims."""


class HeaderMapping(Model):
    """Meaning of the headers."""

    subject: Header = "x-user-id"
    """Header with the subject; the proxy's headers do not authenticate a request without it."""
    end_user: Header | None = None
    """Header with the end user behind the subject."""
    email: Header | None = None
    """Header with the e-mail address, which is passed to the runtime."""
    role: Header | None = None
    """Header with the role."""


class EdgeTrust(Model):
    """Headers of an authenticating proxy in front of the agent. Clients that reach the pod without
    the proxy can forge them: block such clients by a NetworkPolicy.
    """

    header_mapping: HeaderMapping = Field(default_factory=HeaderMapping)
    """Meaning of the headers."""
    claims_from_headers: dict[str, Header] = Field(default_factory=dict, max_length=32)
    """For each claim that is passed to the runtime, the header with its value."""


class ExternalAuth(Model):
    """Which credentials are accepted. They are tried in this order, and the first that recognises
    the kind of a credential decides; requests without a credential are refused.
    """

    management: Management = Field(default_factory=Management)
    """Tokens of the cluster's ServiceAccounts."""
    client_keys: ClientKeyRules | None = None
    """Client keys."""
    oidc: Oidc | None = None
    """Tokens of an OpenID provider."""
    edge_trust: EdgeTrust | None = None
    """Headers of a proxy."""
    user_id_key_ref: SecretKey | None = None
    """Key of a Secret that user ids for the runtime are made with (HMAC-SHA-256). Without it they
    are plain hashes, which anyone can compute from a known name."""
