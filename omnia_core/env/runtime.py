"""The environment contract of the runtime container."""

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
from omnia_core.units import Duration

# About 85,000 tokens of JSON: one result and a conversation fit into a context window of 128,000.
TOOL_RESULT_CHARACTERS = 256_000


class RuntimeEnv(EnvContract, frozen=True, kw_only=True):
    """The environment of the runtime."""

    variables: ClassVar = {
        "promptpack_path": "OMNIA_PROMPTPACK_PATH",
        "tools_path": "OMNIA_TOOLS_CONFIG_PATH",
        "providers_path": "OMNIA_PROVIDERS_PATH",
        "provider_api_keys": "OMNIA_PROVIDER_*_API_KEY",
        "log_level": "LOG_LEVEL",
        "otel": "OTEL_*",
    }

    agent_name: Annotated[str, Meta(description="Name of the AgentRuntime.")]
    namespace: Annotated[str, Meta(description="Namespace of the AgentRuntime.")] = "default"
    mode: Annotated[names.Mode, Meta(description="Serve a conversation or a function.")] = (
        names.Mode.AGENT
    )
    variant: VariantField = names.Variant.STABLE
    trial: TrialField = False
    grpc_port: Annotated[Port, Meta(description="Port of the gRPC server.")] = (
        names.RUNTIME_GRPC_PORT
    )
    grpc_host: Annotated[
        str, Meta(description="Address of the gRPC server; only the facade beside it calls it.")
    ] = "127.0.0.1"
    health_port: Annotated[Port, Meta(description="Port of health and metrics.")] = (
        names.RUNTIME_HEALTH_PORT
    )
    bind_address: Annotated[
        str | None, Meta(description="Address of health and metrics; all of the pod's when unset.")
    ] = None
    promptpack_path: Annotated[
        str,
        Meta(
            description="The compiled PromptPack: a file, or a folder with its versions and"
            " `placement.json`."
        ),
    ] = names.PACK_PATH
    prompt_name: Annotated[
        str, Meta(description="The prompt to use when the pack has several and names no entry.")
    ] = "default"
    tools_path: Annotated[str, Meta(description="The tool handlers; the file may be absent.")] = (
        names.TOOLS_PATH
    )
    tools_deny_private_addresses: Annotated[
        bool,
        Meta(
            description="Refuse tool servers that are not at public addresses, and gRPC servers"
            " altogether."
        ),
    ] = False
    tools_max_result_characters: Annotated[
        Annotated[int, Meta(ge=1000)],
        Meta(
            description="Longest result of a tool for the model; a longer one is cut, with a note"
            " for the model."
        ),
    ] = TOOL_RESULT_CHARACTERS
    providers_path: Annotated[str, Meta(description="The providers.")] = names.PROVIDERS_PATH
    function_path: Annotated[
        str, Meta(description="File with the function's schemas, read in function mode.")
    ] = names.FUNCTION_PATH
    provider_api_keys: Annotated[
        Mapping[str, Secret],
        Meta(description="The key of the provider with that name in providers.yaml."),
    ] = {}
    session_type: SessionTypeField = SessionType.MEMORY
    session_ttl: Annotated[
        Duration, Meta(description="A session ends this long after its last use.")
    ] = Duration(86_400_000)
    session_url: SessionUrl = None
    session_path: SessionPath = SESSION_PATH
    session_naming: Annotated[
        bool, Meta(description="Give sessions names, beside the answers.")
    ] = False
    session_naming_every_turns: Annotated[
        Annotated[int, Meta(ge=1)],
        Meta(description="After how many turns a session gets another name."),
    ] = 20
    session_naming_max_words: Annotated[
        Annotated[int, Meta(ge=1, le=20)], Meta(description="Longest name, in words.")
    ] = 5
    session_naming_max_length: Annotated[
        Annotated[int, Meta(ge=5, le=200)], Meta(description="Longest name, in characters.")
    ] = 50
    session_naming_provider: Annotated[
        str | None,
        Meta(description="The provider that makes the names; the one that answers when unset."),
    ] = None
    session_keep_variables: Annotated[
        bool | None,
        Meta(
            description="Store the values of the prompt's variables with each message, so that its"
            " prompt can be composed again. They may be personal data. `omnia up` does unless told"
            " otherwise."
        ),
    ] = None
    retention_ttl: Annotated[
        Duration | None,
        Meta(
            description="The policy's `ttlAfterInactive`. `OMNIA_SESSION_TTL` is within it already,"
            " unless the policy is on trial."
        ),
    ] = None
    retention_days: Annotated[
        Annotated[int, Meta(ge=1, le=3650)] | None,
        Meta(
            description="The policy's `retentionDays`: what a database has of a session is kept for"
            " so many days after its last use.",
        ),
    ] = None
    retention_max_messages: Annotated[
        Annotated[int, Meta(ge=2)] | None,
        Meta(
            description="The policy's `maxMessagesPerSession`: older messages are deleted, in whole"
            " turns.",
        ),
    ] = None
    retention_dry_run: Annotated[
        bool, Meta(description="The policy's `dryRun`: it is not followed, only counted.")
    ] = False
    evals_enabled: Annotated[
        bool, Meta(description="Evaluate conversations by the definitions of the pack.")
    ] = False
    evals_default_rate: Annotated[
        Annotated[int, Meta(ge=0, le=100)],
        Meta(description="Percentage of turns for evaluations that need no model."),
    ] = 100
    evals_extended_rate: Annotated[
        Annotated[int, Meta(ge=0, le=100)],
        Meta(description="Percentage of turns for evaluations that ask a model."),
    ] = 10
    evals_max_per_second: Annotated[
        Annotated[int, Meta(ge=1)], Meta(description="Evaluations in a second, in each program.")
    ] = 50
    budget_usd_per_day: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Largest cost of the requests to models in a day (UTC)."),
    ] = None
    budget_usd_per_month: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Largest cost of the requests to models in a month (UTC)."),
    ] = None
    budget_on_exceeded: Annotated[
        names.OnExceeded, Meta(description="Whether no turn begins beyond the budget.")
    ] = names.OnExceeded.STOP
    evals_max_judge_calls: Annotated[
        Annotated[int, Meta(ge=1)], Meta(description="Judges that are asked at the same time.")
    ] = 5
    evals_inactivity_timeout: Annotated[
        Duration, Meta(description="A session is complete so long after its last message.")
    ] = Duration(300_000)
    evals_usd_per_day: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Largest cost of judges in a day, in US dollars; no limit when unset."),
    ] = None
    evals_worker: Annotated[
        bool,
        Meta(
            description="Note which sessions are to be evaluated beside their turns: by"
            " `omnia_runtime.evals`, or by the runtime itself where no other pod sees the sessions."
        ),
    ] = False
    evals_light: Annotated[
        bool,
        Meta(
            description="`omnia_runtime.evals` evaluates turns also by what asks no model, because"
            " the runtime does not."
        ),
    ] = False
    media_base_path: Annotated[str, Meta(description="Folder that `mock://` URLs lead into.")] = (
        names.MEDIA_BASE_PATH
    )
    media_storage_type: MediaStorageTypeField = MediaStorageType.NONE
    media_storage_path: MediaStoragePath = MEDIA_STORAGE_PATH
    media_max_file_size: MediaMaxFileSize = MEDIA_MAX_FILE_SIZE
    grpc_transport: GrpcTransportField = GrpcTransport.BUILTIN
    drain_timeout: Annotated[
        Duration, Meta(description="How long running turns may go on after SIGTERM.")
    ] = Duration(30_000)
    tracing_enabled: TracingEnabled = False
    tracing_endpoint: TracingEndpoint = DEFAULT_ENDPOINT
    tracing_sample_rate: TracingSampleRate = 1.0
    tracing_content: TracingContent = False
    tracing_openinference: TracingOpenInference = False
    otel: Annotated[Mapping[str, Secret], OTEL_SETTINGS] = {}
    log_level: Annotated[str, Meta(description="debug, info, warning or error.")] = "info"
