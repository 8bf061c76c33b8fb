"""Hashes that say whether pods have to be replaced, or have new files."""

import hashlib
import json
from collections.abc import Mapping

from omnia_core import names
from omnia_core.jsonvalue import JsonObject
from omnia_operator.plan.desired import AgentPlan
from omnia_operator.resolve import SecretSource

# The only files that are read once: a function's schemas are compiled when the pod starts.
_READ_AT_START = names.FUNCTION_PATH.rpartition("/")[2]


def config_hash(plan: AgentPlan, versions: Mapping[SecretSource, str]) -> str:
    """Hash what the containers read only when they start.

    Args:
        plan: the agent.
        versions: for each credential, something that changes with its value.
    """
    return _hash(
        {
            "containers": [[each.image, each.variables] for each in plan.containers],
            "credentials": [versions.get(each, "") for each in plan.credentials],
            "functions": [each.data for each in plan.config_maps if _READ_AT_START in each.data],
        }
    )


def files_hash(plan: AgentPlan, versions: Mapping[SecretSource, str]) -> str:
    """Hash the mounted files.

    Args:
        plan: the agent.
        versions: for each key of a Secret, something that changes with its value.
    """
    return _hash(
        {
            "files": {each.name: dict(each.data) for each in plan.config_maps},
            "secrets": {
                f"{each.target.name}/{each.target.key}": versions.get(each.source, "")
                for each in plan.secret_copies
            },
        }
    )


def _hash(value: JsonObject) -> str:
    text = json.dumps(value, sort_keys=True, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
