"""The variables that both programs of a pod have for tracing."""

from typing import Annotated, TypeAlias

from msgspec import Meta

DEFAULT_ENDPOINT = "localhost:4317"

Rate = Annotated[float, Meta(ge=0, le=1)]

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
    Meta(description="Let spans hold what people, models and tools say."),
]
TracingOpenInference: TypeAlias = Annotated[
    bool,
    Meta(description="Give spans the kinds and names of OpenInference as well."),
]
OTEL_SETTINGS = Meta(
    description="The standard settings of OpenTelemetry, which its SDK reads; each that is set wins"
    " over the `OMNIA_TRACING_*` of the same meaning."
)
