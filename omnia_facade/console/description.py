"""`GET /api/agent`: what a page or a client has to know of the agent before the first message."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import ClassVar

from msgspec import Struct

from omnia_core.env.facade import FacadeEnv
from omnia_core.http.head import RequestHead
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import NO_DOORS, RuntimeCapability
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.own_sessions import may_list
from omnia_facade.console.inside import AgentParts
from omnia_facade.entrance.admission import check_method_and_origin

PATH = "/api/agent"
_METHODS = ("GET", "HEAD")
# The features of a page, by the capability of the runtime that they need.
_LIST = "list"
_CAPABILITIES = {
    RuntimeCapability.READ_CONVERSATION: "turns",
    RuntimeCapability.LIST_CONVERSATIONS: _LIST,
    RuntimeCapability.NAME_CONVERSATION: "names",
    RuntimeCapability.DELETE_CONVERSATION: "delete",
    RuntimeCapability.FORK: "fork",
}


class AgentDescription(Struct, frozen=True):
    """Answers the requests for the description of the agent.

    Attributes:
        allowed_origins: as for an upgrade to WebSocket.
        local: whether the port is reachable from this machine only.
        capabilities: returns what the runtime can do, as `RuntimeCapability`; None without one.
        parts: what else there is to tell; None without a runtime.
        trial: whether a session may try something out.
    """

    status: ClassVar[int] = 200
    hint: ClassVar[str] = f"read the description of the agent with GET {PATH}"

    document: JsonObject
    allowed_origins: Sequence[str]
    local: bool
    capabilities: Callable[[], Awaitable[frozenset[str]]] | None = None
    parts: AgentParts | None = None
    trial: bool = False

    def serves(self, path: str) -> bool:
        return path == PATH

    async def answer(self, head: RequestHead, principal: Principal) -> JsonObject:
        """Return the description.

        Raises:
            HttpError: the method or the origin is not allowed.
        """
        check_method_and_origin(head, _METHODS, self.allowed_origins, local=self.local)
        offered = await self._offered(principal)
        told = {"capabilities": offered} if offered else {}
        return self.document | told | (await self.parts.fields() if self.parts else {})

    async def _offered(self, principal: Principal) -> list[str]:
        known = await self.capabilities() if self.capabilities else frozenset()
        offered = [
            name
            for capability, name in _CAPABILITIES.items()
            if capability in known and (name != _LIST or may_list(principal, local=self.local))
        ]
        return [*offered, "trial"] if known and self.trial else offered


def description_of(env: FacadeEnv) -> JsonObject:
    """Return what the environment says of the agent. It names no prompt, tool, key or address."""
    return dict(_fields(env))


def _fields(env: FacadeEnv) -> Iterator[tuple[str, object]]:
    yield "name", env.agent_name
    yield "namespace", env.namespace
    yield "mode", str(env.mode)
    if env.agent_description:
        yield "title", env.agent_description
    if env.agent_examples:
        yield "examples", env.agent_examples.splitlines()
    if env.console_hub:
        yield "hub", env.console_hub
    yield "client_tool_seconds", env.client_tool_timeout.seconds
    yield "doors", ["websocket", *(each for each in env.doors if each != NO_DOORS)]
