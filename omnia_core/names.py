"""Names that more than one program writes or reads."""

from enum import StrEnum

GROUP = "omnia.altairalabs.ai"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
# The version in the pack that the operator makes of an inline prompt, because the format requires
# one. It is not shown to clients and people.
INLINE_VERSION = "0.0.0"


class Kind(StrEnum):
    """The custom resources of the API group."""

    AGENT_RUNTIME = "AgentRuntime"
    PROMPT_PACK = "PromptPack"
    TOOL_REGISTRY = "ToolRegistry"
    PROVIDER = "Provider"
    SESSION_RETENTION_POLICY = "SessionRetentionPolicy"
    ROLLOUT_ANALYSIS = "RolloutAnalysis"


class Mode(StrEnum):
    """What an AgentRuntime is: a conversation over WebSocket, or a typed HTTP endpoint."""

    AGENT = "agent"
    FUNCTION = "function"


class OnExceeded(StrEnum):
    """What happens when the budget of an agent is spent."""

    STOP = "stop"
    WARN = "warn"


class EvalOutcome(StrEnum):
    """What became of an evaluation. Only the first three have a score."""

    PASSED = "passed"
    FAILED = "failed"
    SCORED = "scored"
    SKIPPED = "skipped"
    ERROR = "error"


class Handler(StrEnum):
    """The handler of turns in the facade."""

    RUNTIME = "runtime"
    DEMO = "demo"
    ECHO = "echo"


class Door(StrEnum):
    """A protocol at which the facade serves the agent, besides WebSocket."""

    CHAT = "chat"
    OPENAI = "openai"
    AGUI = "agui"
    A2A = "a2a"
    MCP = "mcp"


class Variant(StrEnum):
    """The side of a rollout; without one, everything is stable."""

    STABLE = "stable"
    CANDIDATE = "candidate"


# The value for the turns of a session with a trial, in place of a side.
TRIAL_VARIANT = "trial"

# In an environment, where an empty list means the default.
NO_DOORS = "none"
# Not one of `facade.doors`: it comes with the console.
CONSOLE_DOOR = "console"
# They reveal nothing to a client without a credential. A2A publishes a card, so it is opt-in.
DEFAULT_DOORS = (Door.CHAT, Door.OPENAI, Door.AGUI)

# Annotations on an AgentRuntime that force the mock provider and name its response file.
MOCK_PROVIDER_ANNOTATION = f"{GROUP}/mock-provider"
MOCK_CONFIG_PATH_ANNOTATION = f"{GROUP}/mock-config-path"

RELOADS_FILES = f"{GROUP}/reloads-files"
"""Annotation of pods whose programs read changed files of their ConfigMaps again."""

FACADE_CONTAINER = "facade"
RUNTIME_CONTAINER = "runtime"
EVALS_CONTAINER = "evals"

FACADE_PORT = 8080
FACADE_HEALTH_PORT = 8081
# Where the pods of a candidate let the facades of the agent in.
PEER_PORT = 8082
RUNTIME_GRPC_PORT = 9000
RUNTIME_HEALTH_PORT = 9001
EVALS_HEALTH_PORT = 9011
HISTORY_PORT = 8090

# The mounted files, each in its own folder because a ConfigMap volume is a folder. The folder of
# the PromptPack contains several files.
PACK_PATH = "/etc/omnia/pack"
TOOLS_PATH = "/etc/omnia/tools/tools.yaml"
PROVIDERS_PATH = "/etc/omnia/providers/providers.yaml"
# One file for each tool handler that has a credential.
TOOL_SECRETS_PATH = "/etc/omnia/tool-secrets"
FUNCTION_PATH = "/etc/omnia/function/function.json"
MEDIA_BASE_PATH = "/etc/omnia/media"
SESSIONS_PATH = "/var/omnia/sessions"
# The agent card; the operator writes and signs it.
CARD_PATH = "/etc/omnia/card/card.json"
# The credentials that the facade accepts, and the files of the Secret beside it: `<id>.keyHash`,
# `<id>.scopes` and `<id>.expiresAt` of each client key, and the key for user ids.
AUTH_PATH = "/etc/omnia/auth/auth.json"
AUTH_SECRETS_PATH = "/etc/omnia/auth-secrets"
CLIENT_KEY_HASH = "keyHash"
CLIENT_KEY_SCOPES = "scopes"
CLIENT_KEY_EXPIRY = "expiresAt"
USER_ID_KEY = "user-id-key"

# The schedule of a rollout, and the token with which facades enter the pods of its candidate. Both
# files are absent while there is no rollout.
ROLLOUT_PATH = "/etc/omnia/rollout"

# The audience of a ServiceAccount token is one agent: `omnia://<namespace>/<agent>`.
AUDIENCE_SCHEME = "omnia://"

# gRPC call metadata between facade and runtime.
METADATA_AGENT_NAME = "x-omnia-agent-name"
METADATA_NAMESPACE = "x-omnia-namespace"
METADATA_SESSION_ID = "x-omnia-session-id"
METADATA_REQUEST_ID = "x-omnia-request-id"
METADATA_USER_ID = "x-omnia-user-id"
METADATA_USER_EMAIL = "x-omnia-user-email"
METADATA_ORIGIN = "x-omnia-origin"
METADATA_CLAIM = "x-omnia-claim-"
# With the value "true", the runtime sends the tool calls and results that it executes itself.
METADATA_SHOW_TOOLS = "omnia-show-tools"

# The version of the contract omnia.runtime.v1.
CONTRACT_VERSION = "1.7.0"


class RuntimeCapability(StrEnum):
    """Capabilities that a runtime of contract 1.7.0 may declare. The set is open."""

    INVOKE = "invoke"
    CLIENT_TOOLS = "client_tools"
    CONSENT_GRANTS = "consent_grants"
    DUPLEX_AUDIO = "duplex_audio"
    INTERRUPTION = "interruption"
    MEDIA_STORAGE_REF = "media_storage_ref"
    SEED_HISTORY = "seed_history"
    REQUEST_TOOLS = "request_tools"
    READ_CONVERSATION = "read_conversation"
    LIST_CONVERSATIONS = "list_conversations"
    NAME_CONVERSATION = "name_conversation"
    DELETE_CONVERSATION = "delete_conversation"
    FORK = "fork"


# The largest gRPC message and the largest WebSocket message, in bytes.
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
