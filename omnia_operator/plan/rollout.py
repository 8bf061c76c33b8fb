"""Plans what pods have for a rollout, also while there is none: it begins without new pods."""

from omnia_core import names
from omnia_core.env import SecretKeyRef
from omnia_core.files.rollout import TOKEN_FILE
from omnia_core.jsonvalue import JsonObject
from omnia_operator.labels import OwnedNames
from omnia_operator.plan.shapes import MountPlan, SecretCopy
from omnia_operator.resolve import SecretSource

_VOLUME = "omnia-rollout"

ROLLOUT_MOUNT = MountPlan(_VOLUME, names.ROLLOUT_PATH)


def rollout_volume(agent: str) -> JsonObject:
    """Return the volume with the schedule and the token, which are there during a rollout only."""
    own = OwnedNames(agent)
    sources: list[JsonObject] = [
        {"configMap": {"name": own.config_map("rollout"), "optional": True}},
        {"secret": {"name": own.peer_secret, "optional": True}},
    ]
    return {"name": _VOLUME, "projected": {"sources": sources}}


def peer_token(namespace: str, agent: str) -> SecretCopy:
    """Return the Secret with the token: it keeps what it has, and is made if it is not there."""
    name = OwnedNames(agent).peer_secret
    return SecretCopy(
        SecretSource(namespace, name, TOKEN_FILE), SecretKeyRef(name, TOKEN_FILE), optional=True
    )
