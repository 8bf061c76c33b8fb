"""Tokens of the cluster's ServiceAccounts, made for one audience of ours."""

from collections.abc import Sequence

from msgspec import Struct

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import AUDIENCE_SCHEME
from omnia_core.tokens.jsontoken import TokenVerifier, Unauthorized, unverified

_ACCOUNT = "system:serviceaccount:"


class Account(Struct, frozen=True):
    """A ServiceAccount."""

    namespace: str
    name: str

    @property
    def subject(self) -> str:
        """Return its name in tokens and in RBAC."""
        return f"{_ACCOUNT}{self.namespace}:{self.name}"


class AccountTokens:
    """Knows tokens of the cluster's issuer whose audience is one of ours, be it another one."""

    def __init__(self, issuer: str, audience: str, keys: Sequence[JsonObject]) -> None:
        self._issuer = issuer
        self._verifier = TokenVerifier(issuer, audience, keys)

    async def account(self, token: str | None) -> Account | None:
        """Return whose token it is, or None when it is of another kind.

        Raises:
            Unauthorized: it is of this kind, and not good.
        """
        read = unverified(token) if token else None
        if token is None or read is None or read.issuer != self._issuer:
            return None
        # The cluster may serve as an OpenID provider too, for tokens of another kind of audience.
        if not any(each.startswith(AUDIENCE_SCHEME) for each in read.audiences):
            return None
        claims = await self._verifier.verify(token, read)
        subject = str(claims.get("sub", ""))
        namespace, _, name = subject.removeprefix(_ACCOUNT).partition(":")
        if not subject.startswith(_ACCOUNT) or not name:
            raise Unauthorized("the token is no ServiceAccount's")
        return Account(namespace, name)
