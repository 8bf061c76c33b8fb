"""The variables that several programs have: session store, media, tracing, gRPC transport."""

from enum import StrEnum
from typing import Annotated, TypeAlias

from msgspec import Meta

from omnia_core import names
from omnia_core.env.contract import Secret

DEFAULT_ENDPOINT = "localhost:4317"
MEDIA_STORAGE_PATH = "/var/omnia/media"
MEDIA_MAX_FILE_SIZE = 10 << 20
SESSION_PATH = f"{names.SESSIONS_PATH}/sessions.db"
Port = Annotated[int, Meta(ge=1, le=65535)]
Rate = Annotated[float, Meta(ge=0, le=1)]


class SessionType(StrEnum):
    """Where sessions are kept."""

    MEMORY = "memory"
    REDIS = "redis"
    POSTGRES = "postgres"
    SQLITE = "sqlite"
    MONGODB = "mongodb"

    @property
    def keeps_history(self) -> bool:
        """Whether audit records are kept, and data of sessions that have ended."""
        return self in (SessionType.POSTGRES, SessionType.SQLITE, SessionType.MONGODB)

    @property
    def shared(self) -> bool:
        """Whether programs of other pods see the sessions."""
        return self not in (SessionType.MEMORY, SessionType.SQLITE)


class MediaStorageType(StrEnum):
    """Where uploads are kept."""

    NONE = "none"
    LOCAL = "local"


class GrpcTransport(StrEnum):
    """The implementation of gRPC. Both use the same protocol, so each end may choose its own."""

    BUILTIN = "builtin"
    GRPCIO = "grpcio"


TrialField: TypeAlias = Annotated[
    bool,
    Meta(
        description="Let the first message of a session choose another version, provider or prompt"
        " for it; `omnia up` does."
    ),
]
VariantField: TypeAlias = Annotated[
    names.Variant, Meta(description="The side of a rollout that this pod is on.")
]
SessionTypeField: TypeAlias = Annotated[SessionType, Meta(description="Where sessions are kept.")]
SessionUrl: TypeAlias = Annotated[Secret | None, Meta(description="URL of the session store.")]
SessionPath: TypeAlias = Annotated[
    str, Meta(description="File of the sessions, where they are kept in SQLite.")
]
MediaStorageTypeField: TypeAlias = Annotated[
    MediaStorageType, Meta(description="Where uploads are stored; `none` disables them.")
]
MediaStoragePath: TypeAlias = Annotated[
    str, Meta(description="Folder of the uploads, which both containers mount.")
]
MediaMaxFileSize: TypeAlias = Annotated[int, Meta(ge=1, description="Largest upload, in bytes.")]
TracingEnabled: TypeAlias = Annotated[bool, Meta(description="Send traces to a collector.")]
TracingEndpoint: TypeAlias = Annotated[
    str,
    Meta(
        description="The collector's OTLP endpoint: `host:port` or a URL. Port 4318, or a path,"
        " means OTLP over HTTP; anything else gRPC."
    ),
]

TracingSampleRate: TypeAlias = Annotated[
    Rate,
    Meta(
        description="Share of the turns that are traced, from 0 to 1; a caller's `traceparent`"
        " has its own say."
    ),
]

TracingContent: TypeAlias = Annotated[
    bool,
    Meta(description="Let spans contain the messages of users, models and tools."),
]
TracingOpenInference: TypeAlias = Annotated[
    bool,
    Meta(description="Give spans the kinds and names of OpenInference as well."),
]
GrpcTransportField: TypeAlias = Annotated[
    GrpcTransport,
    Meta(description="Implementation of gRPC; the other end may have another one."),
]
OTEL_SETTINGS = Meta(
    description="The standard settings of OpenTelemetry, which its SDK reads; each that is set wins"
    " over the `OMNIA_TRACING_*` of the same meaning."
)
