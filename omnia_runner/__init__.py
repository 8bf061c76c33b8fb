"""Agents in Python: the runtime's turn loop, providers and session stores as a library."""

from omnia_core.conversation.parts import Media, Part
from omnia_core.errors import ConfigurationError, OmniaError
from omnia_core.files.providers import ProviderConfig
from omnia_core.sse.ui_messages import HEADERS as STREAM_HEADERS
from omnia_core.telemetry.logs import configure_logs as setup_logging
from omnia_runner.agent import Agent
from omnia_runner.runner import Result, Runner
from omnia_runner.sessions import SessionManager, open_store
from omnia_runner.tools import Tool
from omnia_runner.tracing import OmniAgentInstrumentor
from omnia_runtime.ports.tools import ToolFailed

__all__ = [
    "STREAM_HEADERS",
    "Agent",
    "ConfigurationError",
    "Media",
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
]
