"""Names that more than one program writes or reads."""

from enum import StrEnum

GROUP = "omnia.altairalabs.ai"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class Kind(StrEnum):
    """The custom resources of the API group."""

    AGENT_RUNTIME = "AgentRuntime"
    PROMPT_PACK = "PromptPack"
    TOOL_REGISTRY = "ToolRegistry"
    PROVIDER = "Provider"


class Mode(StrEnum):
    """What an AgentRuntime is: a conversation over WebSocket, or a typed HTTP endpoint."""

    AGENT = "agent"
    FUNCTION = "function"


class Handler(StrEnum):
    """Who answers a turn in the facade."""

    RUNTIME = "runtime"
    DEMO = "demo"
    ECHO = "echo"


# Annotations on an AgentRuntime that force the mock provider and name its response file.
MOCK_PROVIDER_ANNOTATION = f"{GROUP}/mock-provider"
MOCK_CONFIG_PATH_ANNOTATION = f"{GROUP}/mock-config-path"

FACADE_CONTAINER = "facade"
RUNTIME_CONTAINER = "runtime"

FACADE_PORT = 8080
FACADE_HEALTH_PORT = 8081
RUNTIME_GRPC_PORT = 9000
RUNTIME_HEALTH_PORT = 9001

# The mounted files, each in a folder of its own because a ConfigMap volume is a folder.
PACK_PATH = "/etc/omnia/pack/pack.json"
TOOLS_PATH = "/etc/omnia/tools/tools.yaml"
PROVIDERS_PATH = "/etc/omnia/providers/providers.yaml"
FUNCTION_PATH = "/etc/omnia/function/function.json"
MEDIA_BASE_PATH = "/etc/omnia/media"

# gRPC call metadata between facade and runtime.
METADATA_AGENT_NAME = "x-omnia-agent-name"
METADATA_NAMESPACE = "x-omnia-namespace"
METADATA_SESSION_ID = "x-omnia-session-id"
METADATA_REQUEST_ID = "x-omnia-request-id"
METADATA_USER_ID = "x-omnia-user-id"
# A facade that sends "true" is shown the tool calls and results that the runtime executes itself.
METADATA_SHOW_TOOLS = "omnia-show-tools"

# The version of the contract omnia.runtime.v1.
CONTRACT_VERSION = "1.3.0"


class Capability(StrEnum):
    """What a runtime of contract 1.3.0 may say that it can do. The set is open."""

    INVOKE = "invoke"
    CLIENT_TOOLS = "client_tools"
    CONSENT_GRANTS = "consent_grants"
    DUPLEX_AUDIO = "duplex_audio"
    INTERRUPTION = "interruption"
    MEDIA_STORAGE_REF = "media_storage_ref"


# The largest gRPC message and the largest WebSocket message, in bytes.
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
