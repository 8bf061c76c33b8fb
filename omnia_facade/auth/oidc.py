"""Tokens of an OpenID provider, checked without asking it."""

from collections.abc import Mapping

from omnia_core.files.auth import OidcAuth
from omnia_core.tokens.jwt import TokenVerifier, read_unverified
from omnia_facade.auth.bearer import bearer
from omnia_facade.auth.chain import Unauthorized
from omnia_facade.auth.claims import chosen, find
from omnia_facade.auth.principal import Origin, Principal


class OidcTokens:
    """Knows tokens that say that they are the provider's."""

    def __init__(self, rules: OidcAuth) -> None:
        self._rules = rules
        self._verifier = TokenVerifier(rules.issuer, rules.audience, rules.keys)

    @property
    def expected(self) -> str:
        return f"a token of {self._rules.issuer} for the audience {self._rules.audience}"

    async def validate(self, headers: Mapping[str, str]) -> Principal | None:
        token, rules = bearer(headers), self._rules
        read = read_unverified(token) if token else None
        if token is None or read is None or read.issuer != rules.issuer:
            return None
        claims = await self._verifier.verify(token, read)
        subject = find(claims, rules.subject)
        if not subject:
            raise Unauthorized(f'the token has no claim "{rules.subject}"')
        return Principal(
            subject,
            Origin.OIDC,
            find(claims, rules.role),
            chosen(claims, rules.claims),
            find(claims, rules.end_user),
        )
