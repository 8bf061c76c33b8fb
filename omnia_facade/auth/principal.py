"""Who is asking, as the validators found out."""

from enum import StrEnum

from msgspec import Struct


class Origin(StrEnum):
    """By what kind of credential somebody is known."""

    MANAGEMENT_PLANE = "management-plane"
    CLIENT_KEY = "client-key"
    OIDC = "oidc"
    EDGE_TRUST = "edge-trust"


class Principal(Struct, frozen=True):
    """Who is asking; an anonymous one has no subject.

    Attributes:
        subject: whose credential it is.
        origin: an `Origin`; "" for nobody's.
        role: a role such as viewer, or "" where the credential says nothing of it.
        claims: what else the runtime is told, by name.
        end_user: the person on whose behalf the subject asks, where it says so.
        email: the address that a trusted proxy told.
        user_id: what the runtime knows the person by; no name can be read from it.
    """

    subject: str = ""
    origin: str = ""
    role: str = ""
    claims: tuple[tuple[str, str], ...] = ()
    end_user: str = ""
    email: str = ""
    user_id: str = ""


ANONYMOUS = Principal()
