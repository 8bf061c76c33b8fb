"""Who signs tokens, with which keys."""

from dataclasses import dataclass
from typing import TypeAlias

from omnia_core.jsonvalue import JsonObject


@dataclass(frozen=True)
class IssuerKeys:
    """The public keys of an issuer, as JWKs (RFC 7517)."""

    issuer: str
    keys: tuple[JsonObject, ...]


@dataclass(frozen=True)
class NoKeys:
    """Why there are no keys now."""

    reason: str
    """A word for programs."""
    message: str
    """A sentence for people."""
    last: IssuerKeys | None = None
    """The keys that there were before."""


Answer: TypeAlias = IssuerKeys | NoKeys
