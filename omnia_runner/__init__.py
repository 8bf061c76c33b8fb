"""Agents in Python: the runtime's turn loop, providers and session stores as a library."""

from typing import TYPE_CHECKING, Any

from omnia_core.conversation.parts import Media, Part
from omnia_core.errors import ConfigurationError, OmniaError
from omnia_core.files.providers import ProviderConfig
from omnia_core.sse.ui_messages import HEADERS as STREAM_HEADERS
from omnia_core.telemetry.logs import configure_logs as setup_logging
from omnia_runner.agent import Agent
from omnia_runner.runner import Result, Runner
from omnia_runner.sessions import SessionManager, open_store
from omnia_runner.tracing import OmniAgentInstrumentor
from omnia_tools import Tool, ToolFailed, tool

if TYPE_CHECKING:
    from omnia_runner.mongodb.backend import (
        DocumentModels,
        MongoBackendAdapter,
        MongoSessionManager,
    )

__all__ = [
    "STREAM_HEADERS",
    "Agent",
    "ConfigurationError",
    "DocumentModels",
    "Media",
    "MongoBackendAdapter",
    "MongoSessionManager",
    "OmniAgentInstrumentor",
    "OmniaError",
    "Part",
    "ProviderConfig",
    "Result",
    "Runner",
    "SessionManager",
    "Tool",
    "ToolFailed",
    "open_store",
    "setup_logging",
    "tool",
]

# Loaded when they are used: they need the extra `runner-mongodb`.
_MONGODB = ("DocumentModels", "MongoBackendAdapter", "MongoSessionManager")


def __getattr__(name: str) -> Any:
    if name not in _MONGODB:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from omnia_runner.mongodb import backend  # noqa: PLC0415 - as above

    return getattr(backend, name)
