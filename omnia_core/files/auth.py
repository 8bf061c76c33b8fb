"""auth.json: whose credentials an agent accepts. Its keys are public; client keys, of which only
hashes are kept, are files of a Secret beside it.
"""

from enum import StrEnum

from msgspec import Struct, field

from omnia_core.jsonvalue import JsonObject


class Role(StrEnum):
    """What a caller may do, for the runtime and its tools to act on."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


class ManagementAuth(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Tokens of the cluster's ServiceAccounts.

    Attributes:
        issuer: who the tokens have to be from.
        audience: who they have to be for.
        namespaces: where their ServiceAccounts have to be.
        keys: the issuer's public keys, as JWKs (RFC 7517).
    """

    issuer: str
    audience: str
    namespaces: tuple[str, ...] = ()
    keys: tuple[JsonObject, ...] = ()


class ClientKeyAuth(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Keys that the agent's owner hands out.

    Attributes:
        trust_end_user_header: whether `X-End-User-Id` names the person behind a key.
        default_role: the role of keys whose scopes name none.
    """

    trust_end_user_header: bool = False
    default_role: Role = Role.VIEWER


class OidcAuth(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Tokens of an OpenID provider.

    Attributes:
        issuer: who the tokens have to be from.
        audience: who they have to be for.
        subject: the claim that says who the token is for.
        end_user: the claim that names the person behind it, where that is somebody else.
        role: the claim with the role.
        claims: the claims that the runtime is told.
        keys: the issuer's public keys, as JWKs (RFC 7517).
    """

    issuer: str
    audience: str
    subject: str = "sub"
    end_user: str | None = None
    role: str | None = None
    claims: tuple[str, ...] = ()
    keys: tuple[JsonObject, ...] = ()


class EdgeTrust(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Headers of a proxy that has checked who is asking, and lets nobody else set them.

    Attributes:
        subject: the header that says who is asking; without it the request is nobody's.
        end_user: the header that names the person behind, where that is somebody else.
        email: the header with the e-mail address.
        role: the header with the role.
        claims: for each claim that the runtime is told, the header with its value.
    """

    subject: str = "x-user-id"
    end_user: str | None = None
    email: str | None = None
    role: str | None = None
    claims: dict[str, str] = field(default_factory=dict)


class AuthFile(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The file. What is not there is not accepted.

    Attributes:
        keyed_user_ids: whether user ids are made with the key beside the client keys, so that
            nobody without it can tell whose they are.
    """

    management: ManagementAuth | None = None
    client_keys: ClientKeyAuth | None = None
    oidc: OidcAuth | None = None
    edge_trust: EdgeTrust | None = None
    keyed_user_ids: bool = False
