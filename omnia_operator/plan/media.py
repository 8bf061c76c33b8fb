"""Plans the volume for uploads, which both containers of a pod mount."""

from dataclasses import dataclass

import msgspec

from omnia_core.env import FacadeEnv, RuntimeEnv
from omnia_core.env.shared import MediaStorageType
from omnia_core.jsonvalue import JsonObject
from omnia_core.units import ByteSize
from omnia_operator.api.facade import FacadeMedia
from omnia_operator.plan.shapes import MountPlan
from omnia_operator.resolve import Resolved

_VOLUME = "omnia-media"
# Of the disk of the node, which all its pods share: a full disk evicts the others too.
_EPHEMERAL_SIZE = ByteSize.parse("4Gi")


@dataclass(frozen=True)
class MediaPlan:
    """The volume for uploads, and the variables about it."""

    media: FacadeMedia

    @property
    def volume(self) -> JsonObject:
        """The volume of the pod: a claim, or an emptyDir that is deleted with the pod."""
        claim = self.media.persistent_volume_claim
        if claim is None:
            return {"name": _VOLUME, "emptyDir": {"sizeLimit": str(self.size)}}
        return {"name": _VOLUME, "persistentVolumeClaim": {"claimName": claim.claim_name}}

    @property
    def size(self) -> ByteSize | None:
        """What the uploads may take together; None: as much as the claim has."""
        media = self.media
        unset = None if media.persistent_volume_claim else _EPHEMERAL_SIZE
        return media.max_volume_size or unset

    def mount(self, *, read_only: bool) -> MountPlan:
        """The mount in a container: only the facade writes."""
        return MountPlan(_VOLUME, self.media.storage_path, read_only=read_only)

    def facade(self, env: FacadeEnv) -> FacadeEnv:
        """Return the facade's environment with the volume."""
        return msgspec.structs.replace(
            env,
            media_storage_type=MediaStorageType.LOCAL,
            media_storage_path=self.media.storage_path,
            media_public_url=self.media.public_url,
            media_max_file_size=self.media.max_file_size.count,
            media_default_ttl=self.media.default_ttl,
            media_max_volume_size=self.size,
        )

    def runtime(self, env: RuntimeEnv) -> RuntimeEnv:
        """Return the runtime's environment with the volume."""
        return msgspec.structs.replace(
            env,
            media_storage_type=MediaStorageType.LOCAL,
            media_storage_path=self.media.storage_path,
            media_max_file_size=self.media.max_file_size.count,
        )


def media_plan(resolved: Resolved) -> MediaPlan | None:
    """Return the volume for uploads; None if clients may not upload."""
    media = resolved.agent.spec.facade.media
    return MediaPlan(media) if media is not None and media.enabled else None
