"""Tokens of the cluster's ServiceAccounts: who may create one there may talk to the agent."""

from collections.abc import Mapping

from omnia_core.files.auth import ManagementAuth
from omnia_core.names import AUDIENCE_SCHEME
from omnia_facade.auth.bearer import bearer
from omnia_facade.auth.chain import Unauthorized
from omnia_facade.auth.jsontoken import TokenVerifier, unverified
from omnia_facade.auth.principal import Origin, Principal

_ACCOUNT = "system:serviceaccount:"


class ManagementTokens:
    """Knows tokens of the cluster's issuer whose audience is one of ours, be it another agent."""

    def __init__(self, rules: ManagementAuth) -> None:
        self._rules = rules
        self._verifier = TokenVerifier(rules.issuer, rules.audience, rules.keys)

    @property
    def expected(self) -> str:
        return f"a ServiceAccount's token for the audience {self._rules.audience}"

    async def validate(self, headers: Mapping[str, str]) -> Principal | None:
        token = bearer(headers)
        read = unverified(token) if token else None
        if token is None or read is None or read.issuer != self._rules.issuer:
            return None
        # The cluster may serve as an OpenID provider too, for tokens of another kind of audience.
        if not any(each.startswith(AUDIENCE_SCHEME) for each in read.audiences):
            return None
        claims = await self._verifier.verify(token, read)
        subject = str(claims.get("sub", ""))
        namespace, _, name = subject.removeprefix(_ACCOUNT).partition(":")
        if not subject.startswith(_ACCOUNT) or not name:
            raise Unauthorized("the token is no ServiceAccount's")
        if namespace not in self._rules.namespaces:
            raise Unauthorized(
                f'ServiceAccounts of the namespace "{namespace}" may not talk to this agent: add'
                " it to externalAuth.management.namespaces of the AgentRuntime"
            )
        return Principal(subject, Origin.MANAGEMENT_PLANE)
