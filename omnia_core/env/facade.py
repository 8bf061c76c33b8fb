"""The environment contract of the facade container."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta

from omnia_core import names
from omnia_core.env.contract import EnvContract, Secret
from omnia_core.env.shared import (
    DEFAULT_ENDPOINT,
    MEDIA_MAX_FILE_SIZE,
    MEDIA_STORAGE_PATH,
    OTEL_SETTINGS,
    SESSION_PATH,
    GrpcTransport,
    GrpcTransportField,
    MediaMaxFileSize,
    MediaStoragePath,
    MediaStorageType,
    MediaStorageTypeField,
    Port,
    SessionPath,
    SessionType,
    SessionTypeField,
    SessionUrl,
    TracingContent,
    TracingEnabled,
    TracingEndpoint,
    TracingOpenInference,
    TracingSampleRate,
    TrialField,
    VariantField,
)
from omnia_core.units import ByteSize, Duration


class FacadeEnv(EnvContract, frozen=True, kw_only=True):
    """The environment of the facade."""

    variables: ClassVar = {
        "allow_unauthenticated": "OMNIA_FACADE_ALLOW_UNAUTHENTICATED",
        "function_path": "OMNIA_FUNCTION_PATH",
        "log_level": "LOG_LEVEL",
        "otel": "OTEL_*",
    }

    agent_name: Annotated[str, Meta(description="Name of the AgentRuntime.")]
    namespace: Annotated[str, Meta(description="Namespace of the AgentRuntime.")] = "default"
    agent_description: Annotated[
        str, Meta(description="The purpose of the agent, which its console shows.")
    ] = ""
    agent_examples: Annotated[
        str, Meta(description="Questions that the console suggests, one a line.")
    ] = ""
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
    grpc_transport: GrpcTransportField = GrpcTransport.BUILTIN
    variant: VariantField = names.Variant.STABLE
    trial: TrialField = False
    rollout_path: Annotated[
        str,
        Meta(
            description="Folder with the schedule of a rollout and the token for the pods of its"
            " candidate; watched, may be empty or absent."
        ),
    ] = names.ROLLOUT_PATH
    peer_port: Annotated[
        Port | None,
        Meta(
            description="Port at which the pod accepts the facades of the other side of a rollout"
            " that have the token; closed when unset."
        ),
    ] = None
    function_path: Annotated[
        str, Meta(description="File with the function's schemas, read in function mode.")
    ] = names.FUNCTION_PATH
    max_calls: Annotated[
        int,
        Meta(ge=1, description="Calls of the function that are answered at the same time."),
    ] = 500
    session_type: SessionTypeField = SessionType.MEMORY
    session_ttl: Annotated[
        Duration,
        Meta(
            description="How long a session is kept; replies to calls with an `Idempotency-Key`"
            " likewise, and no longer than 24 hours."
        ),
    ] = Duration(86_400_000)
    session_url: SessionUrl = None
    session_path: SessionPath = SESSION_PATH
    show_tools: Annotated[
        bool, Meta(description="Show clients the tools that the runtime executes itself.")
    ] = True
    console: Annotated[
        bool, Meta(description="Serve a page at `/` on which a person talks to the agent.")
    ] = False
    console_inside: Annotated[
        bool,
        Meta(
            description="Tell every caller what the agent is made of: prompt, tools, models,"
            " explanations of evaluations; never keys or addresses."
        ),
    ] = False
    console_hub: Annotated[
        str,
        Meta(description="Address of the page of several agents to which the console links."),
    ] = ""
    doors: Annotated[
        tuple[str, ...],
        Meta(
            description="Protocols that are served besides WebSocket: `chat`, `openai`, `agui`,"
            " `a2a`, `mcp`; `none` for no other. A function serves `mcp` only."
        ),
    ] = names.DEFAULT_DOORS
    public_url: Annotated[
        str | None,
        Meta(
            description="Address of this agent as clients see it, for agent cards and metadata;"
            " that of the request when unset."
        ),
    ] = None
    client_tool_timeout: Annotated[
        Duration, Meta(description="How long a client may take to execute a tool.")
    ] = Duration(60_000)
    a2a_card_path: Annotated[
        str, Meta(description="File with the agent card; watched, may be absent.")
    ] = names.CARD_PATH
    a2a_versions: Annotated[
        tuple[str, ...], Meta(description="Versions of A2A that are served.")
    ] = ("1.0", "0.3")
    a2a_grpc: Annotated[
        bool, Meta(description="Serve A2A 1.0 over gRPC too, on the same port.")
    ] = False
    a2a_push_hosts: Annotated[
        tuple[str, ...],
        Meta(description="Hosts that get push notifications of tasks; none when unset."),
    ] = ()
    task_ttl: Annotated[
        Duration, Meta(description="How long a task of A2A is kept after its end.")
    ] = Duration(3_600_000)
    mcp_tool_name: Annotated[
        str | None, Meta(description="Name of the agent's tool at the MCP door; its own if unset.")
    ] = None
    mcp_tool_description: Annotated[
        str | None, Meta(description="Description of the agent's tool at the MCP door.")
    ] = None
    max_runs: Annotated[
        int,
        Meta(ge=1, description="Turns that are answered at the same time at the doors."),
    ] = 500
    run_log: Annotated[
        ByteSize, Meta(description="Events of a turn that are kept to be read again.")
    ] = ByteSize(1 << 20)
    max_run_logs: Annotated[
        ByteSize, Meta(description="Events of all turns together that are kept.")
    ] = ByteSize(64 << 20)
    run_kept: Annotated[
        Duration, Meta(description="How long the events of a turn are kept after its end.")
    ] = Duration(300_000)
    stream_heartbeat: Annotated[
        Duration, Meta(description="Silence after which an event stream sends a comment.")
    ] = Duration(15_000)
    pod_address: Annotated[
        str | None,
        Meta(
            description="Address at which the other pods of the agent reach this one, to pass on"
            " requests for its turns."
        ),
    ] = None
    auth_path: Annotated[
        str, Meta(description="File with the rules for credentials; may be absent.")
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
    write_timeout: Annotated[
        Duration,
        Meta(
            description="How long a client of a WebSocket, or of a stream over gRPC, may read"
            " nothing."
        ),
    ] = Duration(30_000)
    max_connections: Annotated[
        int, Meta(ge=1, description="Connections of the pod, over WebSocket and HTTP.")
    ] = 10_000
    max_connections_per_user: Annotated[
        int, Meta(ge=1, description="WebSocket connections of one authenticated user.")
    ] = 1000
    message_rate: Annotated[
        int, Meta(ge=1, description="Text messages of a connection in a second.")
    ] = 50
    message_burst: Annotated[
        int, Meta(ge=1, description="Text messages of a connection at once.")
    ] = 100
    media_rate: Annotated[
        ByteSize, Meta(description="Binary media of a connection in a second.")
    ] = ByteSize(2 << 20)
    media_burst: Annotated[ByteSize, Meta(description="Binary media of a connection at once.")] = (
        ByteSize(16 << 20)
    )
    max_audio_sessions: Annotated[
        int, Meta(ge=1, description="Voice calls of the pod at the same time.")
    ] = 8
    max_received: Annotated[
        ByteSize,
        Meta(
            description="Memory of the pod for all connections together: messages that are"
            " unfinished or not answered yet, and answers that are not read yet."
        ),
    ] = ByteSize(96 << 20)
    media_storage_type: MediaStorageTypeField = MediaStorageType.NONE
    media_storage_path: MediaStoragePath = MEDIA_STORAGE_PATH
    media_public_url: Annotated[
        str | None,
        Meta(
            description="Address of this agent as clients see it, with which the addresses of"
            " uploads begin. Required where uploads are kept."
        ),
    ] = None
    media_max_file_size: MediaMaxFileSize = MEDIA_MAX_FILE_SIZE
    media_default_ttl: Annotated[Duration, Meta(description="How long an upload is kept.")] = (
        Duration(86_400_000)
    )
    media_max_session_size: Annotated[
        ByteSize, Meta(description="Uploads of a session together; one may always be there.")
    ] = ByteSize(256 << 20)
    media_max_session_files: Annotated[int, Meta(ge=1, description="Uploads of a session.")] = 256
    media_max_user_size: Annotated[
        ByteSize | None,
        Meta(
            description="Uploads of one authenticated user together; half of the volume when unset."
        ),
    ] = None
    media_max_volume_size: Annotated[
        ByteSize | None,
        Meta(description="Uploads of all users together; the size of the volume when unset."),
    ] = None
    media_max_pending: Annotated[
        int, Meta(ge=1, description="Uploads of a session that are requested and not complete.")
    ] = 16
    tracing_enabled: TracingEnabled = False
    tracing_endpoint: TracingEndpoint = DEFAULT_ENDPOINT
    tracing_sample_rate: TracingSampleRate = 1.0
    tracing_content: TracingContent = False
    tracing_openinference: TracingOpenInference = False
    otel: Annotated[Mapping[str, Secret], OTEL_SETTINGS] = {}
    log_level: Annotated[str, Meta(description="debug, info, warning or error.")] = "info"
