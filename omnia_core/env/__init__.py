"""The environment variables of all programs. They are named only here."""

from omnia_core.env.contract import EnvContract, RenderedVariable, Secret, SecretKeyRef, SecretStr
from omnia_core.env.facade import FacadeEnv
from omnia_core.env.operator import CliEnv, HistoryEnv, OperatorEnv
from omnia_core.env.runtime import RuntimeEnv
from omnia_core.env.shared import SessionType

__all__ = [
    "CliEnv",
    "EnvContract",
    "FacadeEnv",
    "HistoryEnv",
    "OperatorEnv",
    "RenderedVariable",
    "RuntimeEnv",
    "Secret",
    "SecretKeyRef",
    "SecretStr",
    "SessionType",
]
