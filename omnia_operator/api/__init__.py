"""The custom resources as models with defaults and rules; the CRDs are generated from them."""

from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.api.findings import InvalidResource, ResourceFinding, Severity, dotted
from omnia_operator.api.maturity import notes
from omnia_operator.api.parsing import AnyResource, findings, parse, parse_served
from omnia_operator.api.promptpack import PromptPack
from omnia_operator.api.provider import Provider
from omnia_operator.api.rolloutanalysis import RolloutAnalysis
from omnia_operator.api.sessionretentionpolicy import SessionRetentionPolicy
from omnia_operator.api.toolregistry import ToolRegistry

__all__ = [
    "AgentRuntime",
    "AnyResource",
    "InvalidResource",
    "PromptPack",
    "Provider",
    "ResourceFinding",
    "RolloutAnalysis",
    "SessionRetentionPolicy",
    "Severity",
    "ToolRegistry",
    "dotted",
    "findings",
    "notes",
    "parse",
    "parse_served",
]
