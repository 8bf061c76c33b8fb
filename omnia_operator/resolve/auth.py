"""Resolves what the facade needs to check credentials: keys of issuers, Secrets of client keys."""

from dataclasses import dataclass, field

from omnia_core import names
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.resolve.found import Found, IssuerKeys, NoKeys, Problem
from omnia_operator.resolve.providers import SecretSource

EXTERNAL_AUTH = "ExternalAuth"
OIDC_KEYS = "OIDCJWKSReady"

_PARTS = (names.CLIENT_KEY_HASH, names.CLIENT_KEY_SCOPES, names.CLIENT_KEY_EXPIRY)
# The name of a client key becomes part of a key of a Secret, which has 253 characters at most.
_LONGEST_NAME = 253 - 1 - max(len(part) for part in _PARTS)


@dataclass(frozen=True)
class ResolvedAuth:
    """What the facade needs to check credentials. The agent runs even if parts are missing."""

    management: IssuerKeys | None = None
    """The issuer of ServiceAccount tokens; None if they are not accepted."""
    oidc: tuple[JsonObject, ...] = ()
    """Public keys of the OpenID provider."""
    client_keys: tuple[SecretSource, ...] = ()
    """Hash, scopes and expiry of each client key."""
    user_id_key: SecretSource | None = None
    """The key that user ids are made with."""
    problems: tuple[Problem, ...] = field(default=())
    """The missing parts."""


def resolve_auth(agent: AgentRuntime, found: Found) -> ResolvedAuth:
    """Return what the facade of an agent needs to check credentials."""
    rules, namespace = agent.spec.external_auth, agent.metadata.namespace
    problems: list[Problem] = []
    management = found.cluster_issuer if rules.management.enabled else None
    if isinstance(management, NoKeys):
        problems.append(_problem(EXTERNAL_AUTH, "Unreachable", management.message))
        management = management.last
    oidc = found.oidc if rules.oidc is not None else None
    if isinstance(oidc, NoKeys):
        problems.append(_problem(OIDC_KEYS, oidc.reason, oidc.message))
        oidc = oidc.last
    user_id_key = None
    if (reference := rules.user_id_key_ref) is not None:
        user_id_key = SecretSource(namespace, reference.name, reference.key)
        keys = found.secrets.get((namespace, reference.name))
        if keys is None or reference.key not in keys:
            problems.append(_no_user_id_key(user_id_key, exists=keys is not None))
    return ResolvedAuth(
        management=management,
        oidc=oidc.keys if oidc is not None else (),
        client_keys=_client_keys(agent, found) if rules.client_keys is not None else (),
        user_id_key=user_id_key,
        problems=tuple(problems),
    )


def _client_keys(agent: AgentRuntime, found: Found) -> tuple[SecretSource, ...]:
    return tuple(
        SecretSource(*key, part)
        for key, owners in sorted(found.client_keys.items())
        # A key of a deleted agent is not valid for a later agent with the same name.
        if not owners or agent.metadata.uid in owners
        for part in _PARTS
        if len(key[1]) <= _LONGEST_NAME and part in found.secrets.get(key, ())
    )


def _no_user_id_key(source: SecretSource, *, exists: bool) -> Problem:
    lacks = f'has no key "{source.key}"' if exists else "does not exist"
    reason = "SecretKeyMissing" if exists else "SecretNotFound"
    return Problem(
        EXTERNAL_AUTH,
        reason,
        f'user ids are made with a key of Secret "{source.name}", which {lacks}: all requests are'
        " refused until it exists; add it, or correct spec.externalAuth.userIdKeyRef",
        retry=False,
    )


def _problem(condition: str, reason: str, message: str) -> Problem:
    return Problem(condition, reason, message, retry=True)
