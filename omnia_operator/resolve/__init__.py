"""From an AgentRuntime and what it refers to, to a resolved agent or to what stands in the way."""

from omnia_operator.resolve.agent import Resolved, resolve
from omnia_operator.resolve.auth import EXTERNAL_AUTH, OIDC_KEYS, ResolvedAuth
from omnia_operator.resolve.found import Found, Key, Problem
from omnia_operator.resolve.issuers import Answer, IssuerKeys, NoKeys
from omnia_operator.resolve.lineup import Lineup
from omnia_operator.resolve.packs import (
    named_packs,
    read_pack,
    source_text,
    usable,
)
from omnia_operator.resolve.providers import (
    ResolvedProvider,
    SecretSource,
    provider_problem,
    secret_keys,
)
from omnia_operator.resolve.retention import RetentionPolicy, in_force

__all__ = [
    "EXTERNAL_AUTH",
    "OIDC_KEYS",
    "Answer",
    "Found",
    "IssuerKeys",
    "Key",
    "Lineup",
    "NoKeys",
    "Problem",
    "Resolved",
    "ResolvedAuth",
    "ResolvedProvider",
    "RetentionPolicy",
    "SecretSource",
    "in_force",
    "named_packs",
    "provider_problem",
    "read_pack",
    "resolve",
    "secret_keys",
    "source_text",
    "usable",
]
