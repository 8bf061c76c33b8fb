"""Which implementation of gRPC carries the messages between facade and runtime."""

from enum import StrEnum
from typing import Annotated, TypeAlias

from msgspec import Meta


class GrpcTransport(StrEnum):
    """On the wire both are the same, so each end chooses for itself."""

    BUILTIN = "builtin"
    GRPCIO = "grpcio"


GrpcTransportField: TypeAlias = Annotated[
    GrpcTransport,
    Meta(description="Implementation of gRPC; the other end may have another one."),
]
