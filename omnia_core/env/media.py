"""The variables that both programs of a pod have for uploads."""

from enum import StrEnum
from typing import Annotated, TypeAlias

from msgspec import Meta


class MediaStorageType(StrEnum):
    """Where uploads are kept."""

    NONE = "none"
    LOCAL = "local"


MEDIA_STORAGE_PATH = "/var/omnia/media"
MEDIA_MAX_FILE_SIZE = 10 << 20

MediaStorageTypeField: TypeAlias = Annotated[
    MediaStorageType, Meta(description="Where uploads are kept; `none` serves none.")
]
MediaStoragePath: TypeAlias = Annotated[
    str, Meta(description="Folder of the uploads, which both containers mount.")
]
MediaMaxFileSize: TypeAlias = Annotated[int, Meta(ge=1, description="Largest upload, in bytes.")]
