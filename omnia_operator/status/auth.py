"""What the status says of whose credentials an agent accepts."""

from collections.abc import Iterator, Mapping

from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.plan.auth import audience
from omnia_operator.resolve import EXTERNAL_AUTH, OIDC_KEYS, Problem
from omnia_operator.status.conditions import Verdict, false, true

_OPEN = (
    "everybody who reaches the agent may talk to it: it is for development only; remove"
    " agents.allowUnauthenticated from the chart's values, or the variable from facade.extraEnv"
)
_NOBODY = (
    "nobody may talk to the agent: enable management, clientKeys, oidc or edgeTrust in"
    " spec.externalAuth"
)


def auth_verdicts(
    agent: AgentRuntime, problems: Mapping[str, Problem], *, open_to_all: bool
) -> Iterator[Verdict]:
    """Yield the conditions about credentials; the pods run whatever they say."""
    problem, rules = problems.get(EXTERNAL_AUTH), agent.spec.external_auth
    data_plane = [
        name
        for name, block in (
            ("clientKeys", rules.client_keys),
            ("oidc", rules.oidc),
            ("edgeTrust", rules.edge_trust),
        )
        if block is not None
    ]
    if open_to_all:
        yield false(EXTERNAL_AUTH, "Unauthenticated", _OPEN)
    elif problem is not None:
        yield false(EXTERNAL_AUTH, problem.reason, problem.message)
    elif data_plane:
        accepted = (*(("management",) if rules.management.enabled else ()), *data_plane)
        yield true(EXTERNAL_AUTH, "DataPlaneConfigured", f"accepted: {', '.join(accepted)}")
    elif rules.management.enabled:
        wanted = audience(*agent.key)
        yield true(EXTERNAL_AUTH, "DashboardOnly", f"accepted: ServiceAccount tokens for {wanted}")
    else:
        yield false(EXTERNAL_AUTH, "Unreachable", _NOBODY)
    if rules.oidc is not None:
        keys = problems.get(OIDC_KEYS)
        yield (
            true(OIDC_KEYS, "JWKSFetched")
            if keys is None
            else false(OIDC_KEYS, keys.reason, keys.message)
        )
