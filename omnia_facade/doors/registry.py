"""The doors and their paths. Importing this costs no door: the first request loads its module."""

from msgspec import Struct

from omnia_core.env import FacadeEnv
from omnia_core.errors import ConfigurationError, abridged
from omnia_core.names import CONSOLE_DOOR, NO_DOORS, Door, Mode


class DoorEntry(Struct, frozen=True, kw_only=True):
    """A door that can be opened.

    Attributes:
        name: as in `facade.doors`; the label of its metrics.
        paths: exact paths.
        prefixes: paths that begin so; a prefix ends with a slash.
        public: of these, the paths that need no credential.
        module: has `open_door(kernel) -> Door`.
        hint: what can be requested, for the answer to a request of another path.
    """

    name: str
    paths: tuple[str, ...]
    prefixes: tuple[str, ...] = ()
    public: tuple[str, ...] = ()
    module: str
    hint: str

    def serves(self, path: str) -> bool:
        """Whether a path belongs to this door."""
        return path in self.paths or path.startswith(self.prefixes or ("\0",))


# The last one has the keys of the card's signatures.
_CARD_PATHS = (
    "/.well-known/agent-card.json",
    "/.well-known/agent.json",
    "/.well-known/jwks.json",
)

DOORS: tuple[DoorEntry, ...] = (
    DoorEntry(
        name=Door.CHAT,
        paths=("/api/chat",),
        prefixes=("/api/chat/",),
        module="omnia_facade.doors.chat.door",
        hint="use the AI SDK with POST /api/chat",
    ),
    DoorEntry(
        name=Door.OPENAI,
        paths=("/v1/models", "/v1/chat/completions", "/v1/responses"),
        prefixes=("/v1/models/", "/v1/chat/completions/", "/v1/responses/"),
        module="omnia_facade.doors.openai.door",
        hint="use an OpenAI client with the base URL /v1",
    ),
    DoorEntry(
        name=Door.AGUI,
        paths=("/ag-ui", "/ag-ui/capabilities"),
        module="omnia_facade.doors.agui.door",
        hint="use AG-UI with POST /ag-ui",
    ),
    DoorEntry(
        name=Door.A2A,
        paths=("/a2a", *_CARD_PATHS),
        prefixes=("/a2a/",),
        public=_CARD_PATHS,
        module="omnia_facade.doors.a2a.door",
        hint="read the agent card at GET /.well-known/agent-card.json",
    ),
    DoorEntry(
        name=Door.MCP,
        paths=(
            "/mcp",
            "/mcp/",
            "/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resource/mcp",
        ),
        public=(
            "/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resource/mcp",
        ),
        module="omnia_facade.doors.mcp.door",
        hint="use an MCP client with POST /mcp",
    ),
)


CONSOLE = DoorEntry(
    name=CONSOLE_DOOR,
    paths=("/api/agent/prompt",),
    module="omnia_facade.doors.console.door",
    hint="compose the prompt with POST /api/agent/prompt",
)


def served_doors(env: FacadeEnv) -> tuple[DoorEntry, ...]:
    """Return the doors that an environment asks for, in the order of the table; last the console's.

    Raises:
        ConfigurationError: a name is none of a door.
    """
    unknown = set(env.doors) - {entry.name for entry in DOORS} - {NO_DOORS}
    if unknown:
        raise ConfigurationError(
            f"{env.variable('doors')}: expected {', '.join(Door)} or {NO_DOORS},"
            f' found "{abridged(min(unknown))}"'
        )
    offered = {Door.MCP} if env.mode is Mode.FUNCTION else set(Door)
    doors = tuple(entry for entry in DOORS if entry.name in offered and entry.name in env.doors)
    return (*doors, CONSOLE) if env.console and env.console_inside else doors
