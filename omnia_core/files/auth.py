"""auth.json: the credentials that an agent accepts.

The file has public keys only. Hashes of client keys are in a Secret that is mounted beside it.
"""

from enum import StrEnum

from msgspec import Struct, field

from omnia_core.jsonvalue import JsonObject


class Role(StrEnum):
    """The role of a caller; the runtime and its tools decide what it allows."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


EVERY_NAMESPACE = "*"


class ManagementAuth(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Tokens of ServiceAccounts of the cluster.

    Attributes:
        issuer: the required issuer.
        audience: the required audience.
        namespaces: the namespaces of accepted ServiceAccounts; `*` stands for all of them.
        keys: the public keys of the issuer, as JWKs (RFC 7517).
    """

    issuer: str
    audience: str
    namespaces: tuple[str, ...] = ()
    keys: tuple[JsonObject, ...] = ()


class ClientKeyAuth(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Client keys, which the owner of the agent distributes.

    Attributes:
        trust_end_user_header: whether `X-End-User-Id` names the end user of a client.
        default_role: the role of keys whose scopes contain none.
    """

    trust_end_user_header: bool = False
    default_role: Role = Role.VIEWER


class OidcAuth(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Tokens of an OpenID provider.

    Attributes:
        issuer: the required issuer.
        audience: the required audience.
        subject: the claim with the id of the caller.
        end_user: the claim with the id of the end user, when the caller acts for one.
        role: the claim with the role.
        claims: the claims that are passed on to the runtime.
        keys: the public keys of the issuer, as JWKs (RFC 7517).
    """

    issuer: str
    audience: str
    subject: str = "sub"
    end_user: str | None = None
    role: str | None = None
    claims: tuple[str, ...] = ()
    keys: tuple[JsonObject, ...] = ()


class EdgeTrust(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Headers of a proxy that authenticates callers and overwrites these headers of clients.

    Attributes:
        subject: the header with the id of the caller; a request without it is not authenticated.
        end_user: the header with the id of the end user, when the caller acts for one.
        email: the header with the e-mail address.
        role: the header with the role.
        claims: maps the claims that are passed on to the runtime to their headers.
    """

    subject: str = "x-user-id"
    end_user: str | None = None
    email: str | None = None
    role: str | None = None
    claims: dict[str, str] = field(default_factory=dict)


class AuthFile(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The content of auth.json. A kind of credential that is not configured is not accepted.

    Attributes:
        keyed_user_ids: whether user ids are derived with the secret key beside the client keys, so
            that they cannot be linked to users without it.
    """

    management: ManagementAuth | None = None
    client_keys: ClientKeyAuth | None = None
    oidc: OidcAuth | None = None
    edge_trust: EdgeTrust | None = None
    keyed_user_ids: bool = False
