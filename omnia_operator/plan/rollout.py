"""Plans what pods have for a rollout, also while there is none: it begins without new pods."""

from dataclasses import dataclass

from omnia_core import names
from omnia_core.env import SecretKeyRef
from omnia_core.files.rollout import TOKEN_FILE
from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.labels import OwnedNames
from omnia_operator.plan.shapes import MountPlan, SecretCopy
from omnia_operator.resolve import SecretSource

_VOLUME = "omnia-rollout"

PEER_DOOR: JsonObject = {"name": "peer", "containerPort": names.PEER_PORT, "protocol": "TCP"}
"""The port at which a pod lets in the facades of the other side."""
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


@dataclass(frozen=True)
class SideService:
    """A Service of one side of a rollout, beside that of the agent."""

    name: str
    selector: dict[str, str]
    port: str
    """Name of the port of the pods."""
    number: int
    """Number of the port of the Service."""
    headless: bool = False
    """Whether its name has the addresses of the pods."""


@dataclass(frozen=True)
class TrafficPlan:
    """What a rollout by a mesh or a Gateway changes in the Services and the route of an agent."""

    both_sides: bool = False
    """Whether the Service of the agent selects the pods of the candidate too."""
    services: tuple[SideService, ...] = ()
    candidate_weight: int | None = None
    """Percentage of the candidate in the agent's own HTTPRoute; None: it has one backend."""
    candidate_service: str = ""
    """Name of the Service with the candidate's facades; "" without a Gateway."""

    @property
    def stable_weight(self) -> int | None:
        """Percentage of stable in the agent's own HTTPRoute."""
        return None if self.candidate_weight is None else 100 - self.candidate_weight


def candidate_facades(agent: str, port: int) -> SideService:
    """Return the Service by which a Gateway reaches the candidate's facades.

    It is there without a candidate too: some Gateways serve no backend of a rule that names a
    Service which does not exist.
    """
    canary = labels.selector(labels.canary_name(agent))
    return SideService(labels.candidate_service(agent), canary, "facade", port)


def stable_doors(agent: str) -> SideService:
    """Return the Service by which the candidate's facades reach the pods of stable."""
    pods = labels.selector(agent)
    name = labels.stable_service(agent)
    return SideService(name, pods, str(PEER_DOOR["name"]), names.PEER_PORT, headless=True)
