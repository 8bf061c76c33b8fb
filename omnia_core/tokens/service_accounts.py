"""Verifies tokens of ServiceAccounts of the cluster."""

from collections.abc import Sequence

from msgspec import Struct

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import AUDIENCE_SCHEME
from omnia_core.tokens.jwt import TokenVerifier, Unauthorized, read_unverified

_ACCOUNT = "system:serviceaccount:"


class ServiceAccount(Struct, frozen=True):
    """A ServiceAccount."""

    namespace: str
    name: str

    @property
    def subject(self) -> str:
        """Its name in tokens and in RBAC."""
        return f"{_ACCOUNT}{self.namespace}:{self.name}"


class ServiceAccountTokens:
    """Verifies tokens of the cluster issuer for one audience, which begins with `omnia://`."""

    def __init__(self, issuer: str, audience: str, keys: Sequence[JsonObject]) -> None:
        self._issuer = issuer
        self._verifier = TokenVerifier(issuer, audience, keys)

    async def account(self, token: str) -> ServiceAccount | None:
        """Return the ServiceAccount of a token; None when the token is of another kind.

        Raises:
            Unauthorized: the token is of this kind, and invalid.
        """
        read = read_unverified(token)
        if read is None or read.issuer != self._issuer:
            return None
        # The cluster may also issue tokens for other audiences, as an OpenID provider.
        if not any(audience.startswith(AUDIENCE_SCHEME) for audience in read.audiences):
            return None
        claims = await self._verifier.verify(token, read)
        subject = str(claims.get("sub", ""))
        namespace, _, name = subject.removeprefix(_ACCOUNT).partition(":")
        if not subject.startswith(_ACCOUNT) or not name:
            raise Unauthorized("the token is not the token of a ServiceAccount")
        return ServiceAccount(namespace, name)
