"""Resolves an AgentRuntime and the objects that it refers to, or explains why it cannot run."""

from omnia_operator.resolve.agent import Resolved, resolve, session_file_problem
from omnia_operator.resolve.auth import EXTERNAL_AUTH, OIDC_KEYS, ResolvedAuth
from omnia_operator.resolve.config_texts import handler_authority, handler_document
from omnia_operator.resolve.evals import DeclaredEvals, declared_evals
from omnia_operator.resolve.found import (
    CardKey,
    Found,
    IssuerAnswer,
    IssuerKeys,
    Key,
    NoKeys,
    Problem,
    granted,
)
from omnia_operator.resolve.grants import Grant, needed_grants
from omnia_operator.resolve.lineup import Lineup
from omnia_operator.resolve.packs import named_packs, read_pack, source_text, usable
from omnia_operator.resolve.providers import (
    ResolvedProvider,
    SecretSource,
    provider_problem,
    secret_keys,
)
from omnia_operator.resolve.retention import RetentionPolicy, in_force
from omnia_operator.resolve.services import ServicePort, ToolService, located, service_of
from omnia_operator.resolve.tool_secrets import ToolSecretKey, tool_secret_keys
from omnia_operator.resolve.tools import tools_without_handler

__all__ = [
    "EXTERNAL_AUTH",
    "OIDC_KEYS",
    "CardKey",
    "DeclaredEvals",
    "Found",
    "Grant",
    "IssuerAnswer",
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
    "ServicePort",
    "ToolSecretKey",
    "ToolService",
    "declared_evals",
    "granted",
    "handler_authority",
    "handler_document",
    "in_force",
    "located",
    "named_packs",
    "needed_grants",
    "provider_problem",
    "read_pack",
    "resolve",
    "secret_keys",
    "service_of",
    "session_file_problem",
    "source_text",
    "tool_secret_keys",
    "tools_without_handler",
    "usable",
]
