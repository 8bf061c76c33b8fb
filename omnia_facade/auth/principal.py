"""The authenticated caller of a request, and the pseudonymous id of the person behind it."""

import hmac
from enum import StrEnum
from hashlib import sha256

import msgspec
from msgspec import Struct

_USER_ID_DIGITS = 16


class Origin(StrEnum):
    """The kind of credential that authenticated a principal."""

    MANAGEMENT_PLANE = "management-plane"
    CLIENT_KEY = "client-key"
    OIDC = "oidc"
    EDGE_TRUST = "edge-trust"


class Principal(Struct, frozen=True):
    """The caller; an anonymous one has no subject.

    Attributes:
        subject: the owner of the credential.
        origin: an `Origin`; "" for anonymous.
        role: a role such as viewer; "" if the credential has none.
        claims: what else is passed to the runtime, by name.
        end_user: the person on whose behalf the subject calls, if the credential names one.
        email: the address that a trusted proxy sent.
        user_id: identifies the person to the runtime; does not reveal the name.
        affinity: places the sessions of the caller on one side of a rollout; "" for nothing.
    """

    subject: str = ""
    origin: str = ""
    role: str = ""
    claims: tuple[tuple[str, str], ...] = ()
    end_user: str = ""
    email: str = ""
    user_id: str = ""
    affinity: str = ""


ANONYMOUS = Principal()


def with_user_id(principal: Principal, key: bytes | None) -> Principal:
    """Return the principal with the `user_id` of its person."""
    return msgspec.structs.replace(
        principal, user_id=user_id(principal.end_user or principal.subject, key)
    )


def affinity_of(value: str) -> str:
    """Return the affinity of a header's value: a digest, so that it has the same size for all."""
    return sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def user_id(name: str, key: bytes | None) -> str:
    """Return 16 hexadecimal digits. With a key, names cannot be guessed without that key."""
    # Half of a surrogate pair is not text, and may come in a header or a claim.
    data = name.encode("utf-8", "surrogatepass")
    if key is None:
        return sha256(data).hexdigest()[:_USER_ID_DIGITS]
    return hmac.new(key, data, sha256).hexdigest()[:_USER_ID_DIGITS]
