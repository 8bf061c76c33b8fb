"""The environment of the facade container."""

from typing import Annotated, ClassVar

from msgspec import Meta

from omnia_core import names
from omnia_core.env.contract import EnvContract
from omnia_core.env.tracing import (
    DEFAULT_ENDPOINT,
    TracingContent,
    TracingEnabled,
    TracingEndpoint,
    TracingSampleRate,
)
from omnia_core.units import Duration

Port = Annotated[int, Meta(ge=1, le=65535)]


class FacadeEnv(EnvContract, frozen=True, kw_only=True):
    """What the facade is told by its environment."""

    variables: ClassVar = {
        "allow_unauthenticated": "OMNIA_FACADE_ALLOW_UNAUTHENTICATED",
        "function_path": "OMNIA_FUNCTION_PATH",
        "log_level": "LOG_LEVEL",
    }

    agent_name: Annotated[str, Meta(description="Name of the AgentRuntime.")]
    namespace: Annotated[str, Meta(description="Namespace of the AgentRuntime.")] = "default"
    mode: Annotated[names.Mode, Meta(description="Serve a conversation or a function.")] = (
        names.Mode.AGENT
    )
    handler_mode: Annotated[names.Handler, Meta(description="Who answers a turn.")] = (
        names.Handler.RUNTIME
    )
    facade_port: Annotated[Port, Meta(description="Port for clients.")] = names.FACADE_PORT
    health_port: Annotated[Port, Meta(description="Port of health and metrics.")] = (
        names.FACADE_HEALTH_PORT
    )
    bind_address: Annotated[
        str | None, Meta(description="Address to listen on; all of the pod's when unset.")
    ] = None
    runtime_address: Annotated[
        str, Meta(description="`host:port` of the runtime's gRPC server.")
    ] = f"localhost:{names.RUNTIME_GRPC_PORT}"
    function_path: Annotated[
        str, Meta(description="File with the function's schemas, read in function mode.")
    ] = names.FUNCTION_PATH
    show_tools: Annotated[
        bool, Meta(description="Show clients the tools that the runtime executes itself.")
    ] = True
    auth_path: Annotated[
        str, Meta(description="File that says whose credentials are accepted; may be absent.")
    ] = names.AUTH_PATH
    auth_secrets_path: Annotated[
        str, Meta(description="Folder with the client keys; may be absent.")
    ] = names.AUTH_SECRETS_PATH
    allow_unauthenticated: Annotated[
        bool,
        Meta(description="Serve requests without a credential. For development only."),
    ] = False
    allowed_origins: Annotated[
        tuple[str, ...],
        Meta(description="Values of the Origin header that may connect; same-origin when unset."),
    ] = ()
    turn_timeout: Annotated[
        Duration,
        Meta(
            description="Longest silence of the runtime during a turn, and longest function call."
        ),
    ] = Duration(120_000)
    drain_timeout: Annotated[
        Duration, Meta(description="How long running turns may go on after SIGTERM.")
    ] = Duration(30_000)
    tracing_enabled: TracingEnabled = False
    tracing_endpoint: TracingEndpoint = DEFAULT_ENDPOINT
    tracing_sample_rate: TracingSampleRate = 1.0
    tracing_content: TracingContent = False
    log_level: Annotated[str, Meta(description="debug, info, warning or error.")] = "info"
