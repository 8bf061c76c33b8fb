"""Environment contracts: the only place where an environment variable of the project is named."""

from omnia_core.env.cli import CliEnv
from omnia_core.env.contract import EnvContract, EnvVar, Secret
from omnia_core.env.facade import FacadeEnv
from omnia_core.env.history import HistoryEnv
from omnia_core.env.operator import OperatorEnv
from omnia_core.env.runtime import RuntimeEnv
from omnia_core.env.secret import SecretKeyRef, SecretStr
from omnia_core.env.sessions import SessionType

__all__ = [
    "CliEnv",
    "EnvContract",
    "EnvVar",
    "FacadeEnv",
    "HistoryEnv",
    "OperatorEnv",
    "RuntimeEnv",
    "Secret",
    "SecretKeyRef",
    "SecretStr",
    "SessionType",
]
