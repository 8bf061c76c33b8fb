"""Bearer tokens: of an OpenID provider and of the cluster's ServiceAccounts, checked offline."""

from collections.abc import Iterable, Mapping
from typing import Any

from omnia_core.files.auth import EVERY_NAMESPACE, ManagementAuth, OidcAuth
from omnia_core.tokens.jwt import TokenVerifier, Unauthorized, read_unverified
from omnia_core.tokens.service_accounts import ServiceAccountTokens
from omnia_facade.auth.principal import Origin, Principal

# A page cannot set headers of a WebSocket. It offers these two subprotocols; the first is selected.
SUBPROTOCOL = "omnia.v1"
TOKEN_SUBPROTOCOL = "omnia.bearer."  # noqa: S105 - only the prefix of one


class OidcTokenValidator:
    """Accepts tokens of the issuer of an OpenID provider."""

    def __init__(self, rules: OidcAuth, resource: str = "") -> None:
        """`resource` is the address that MCP clients ask tokens for (RFC 8707); "" for none."""
        self._rules = rules
        self._verifier = TokenVerifier(rules.issuer, rules.audience, rules.keys, alias=resource)

    @property
    def expected(self) -> str:
        return f"a token of {self._rules.issuer} for the audience {self._rules.audience}"

    async def validate(self, headers: Mapping[str, str]) -> Principal | None:
        token, rules = bearer_token(headers), self._rules
        read = read_unverified(token)
        if read is None or read.issuer != rules.issuer:
            return None
        claims = await self._verifier.verify(token, read)
        subject = claim_text(claims, rules.subject)
        if not subject:
            raise Unauthorized(f'the token has no claim "{rules.subject}"')
        return Principal(
            subject,
            Origin.OIDC,
            claim_text(claims, rules.role),
            claim_texts(claims, rules.claims),
            claim_text(claims, rules.end_user),
        )


class ServiceAccountTokenValidator:
    """Accepts tokens of the cluster's issuer for an agent: this one or, to reject it, another."""

    def __init__(self, rules: ManagementAuth) -> None:
        self._rules = rules
        self._tokens = ServiceAccountTokens(rules.issuer, rules.audience, rules.keys)

    @property
    def expected(self) -> str:
        return f"a ServiceAccount token for the audience {self._rules.audience}"

    async def validate(self, headers: Mapping[str, str]) -> Principal | None:
        account = await self._tokens.account(bearer_token(headers))
        if account is None:
            return None
        if not {account.namespace, EVERY_NAMESPACE} & set(self._rules.namespaces):
            raise Unauthorized(
                f'ServiceAccounts of the namespace "{account.namespace}" may not talk to this'
                " agent: add it to externalAuth.management.namespaces of the AgentRuntime"
            )
        return Principal(account.subject, Origin.MANAGEMENT_PLANE)


def bearer_token(headers: Mapping[str, str]) -> str:
    """Return the token of the Authorization header, else of the offered subprotocols, else "".

    A token in the URL is not accepted: URLs end up in logs.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    for offered in headers.get("sec-websocket-protocol", "").split(","):
        token = offered.strip()
        if token.startswith(TOKEN_SUBPROTOCOL):
            return token.removeprefix(TOKEN_SUBPROTOCOL)
    return ""


def claim_text(claims: Mapping[str, Any], name: str | None) -> str:
    """Return a claim as text; "" if it is absent. A dotted name also finds nested claims."""
    if name is None:
        return ""
    if name in claims:
        return _text(claims[name])
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return _text(value)


def claim_texts(claims: Mapping[str, Any], names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the named claims as text, without those that are absent."""
    found = ((name, claim_text(claims, name)) for name in names)
    return tuple((name, value) for name, value in found if value)


def _text(value: Any) -> str:
    """Return a claim's value as metadata can carry it: lists with commas, "" for objects."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(filter(None, (_text(element) for element in value)))
    return str(value) if isinstance(value, str | int | float) else ""
