"""From an AgentRuntime and what it refers to, to a resolved agent or to what stands in the way."""

from omnia_operator.resolve.agent import Resolved, resolve
from omnia_operator.resolve.found import Found, Key, Problem
from omnia_operator.resolve.packs import ResolvedPack
from omnia_operator.resolve.providers import ResolvedProvider, SecretSource, secret_keys

__all__ = [
    "Found",
    "Key",
    "Problem",
    "Resolved",
    "ResolvedPack",
    "ResolvedProvider",
    "SecretSource",
    "resolve",
    "secret_keys",
]
