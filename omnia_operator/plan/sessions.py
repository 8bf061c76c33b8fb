"""Plans the volume for sessions in SQLite, which both containers of a pod mount."""

from dataclasses import dataclass

from omnia_core import names
from omnia_core.env import SessionType
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Handler
from omnia_operator.plan.shapes import MountPlan
from omnia_operator.resolve import Resolved

_VOLUME = "omnia-sessions"


@dataclass(frozen=True)
class SessionFilePlan:
    """The volume with the file of the sessions.

    Attributes:
        claim: the name of the PersistentVolumeClaim.
        agent: the name of the agent, which has a folder of its own: agents may share a claim.
    """

    claim: str
    agent: str

    @property
    def volume(self) -> JsonObject:
        """The volume of the pod."""
        return {"name": _VOLUME, "persistentVolumeClaim": {"claimName": self.claim}}

    @property
    def mount(self) -> MountPlan:
        """The mount of both containers."""
        return MountPlan(_VOLUME, names.SESSIONS_PATH, read_only=False)

    @property
    def path(self) -> str:
        """The file."""
        return f"{names.SESSIONS_PATH}/{self.agent}/sessions.db"


def session_file_plan(resolved: Resolved) -> SessionFilePlan | None:
    """Return the volume for the sessions; None if they are not in a file, or there are none."""
    spec = resolved.agent.spec
    claim = spec.session.persistent_volume_claim
    runs = spec.facade.handler is Handler.RUNTIME
    if not runs or spec.session.type is not SessionType.SQLITE or claim is None:
        return None
    return SessionFilePlan(claim.claim_name, resolved.agent.metadata.name)
