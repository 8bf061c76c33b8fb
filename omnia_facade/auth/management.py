"""Tokens of the cluster's ServiceAccounts: who may create one there may talk to the agent."""

from collections.abc import Mapping

from omnia_core.files.auth import ManagementAuth
from omnia_core.tokens.jwt import Unauthorized
from omnia_core.tokens.service_accounts import ServiceAccountTokens
from omnia_facade.auth.bearer import bearer
from omnia_facade.auth.principal import Origin, Principal


class ManagementTokens:
    """Knows tokens of the cluster's issuer whose audience is one of ours, be it another agent."""

    def __init__(self, rules: ManagementAuth) -> None:
        self._rules = rules
        self._tokens = ServiceAccountTokens(rules.issuer, rules.audience, rules.keys)

    @property
    def expected(self) -> str:
        return f"a ServiceAccount's token for the audience {self._rules.audience}"

    async def validate(self, headers: Mapping[str, str]) -> Principal | None:
        account = await self._tokens.account(bearer(headers))
        if account is None:
            return None
        if account.namespace not in self._rules.namespaces:
            raise Unauthorized(
                f'ServiceAccounts of the namespace "{account.namespace}" may not talk to this'
                " agent: add it to externalAuth.management.namespaces of the AgentRuntime"
            )
        return Principal(account.subject, Origin.MANAGEMENT_PLANE)
