"""The paths of AG-UI: runs, and what the agent can do."""

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_core.names import RuntimeCapability
from omnia_facade.doors.agui.frames import RunFrames
from omnia_facade.doors.agui.request import RunRequest, read_run
from omnia_facade.doors.conversations import begin_run
from omnia_facade.doors.errors import METHOD_NOT_ALLOWED, UNSUPPORTED_MEDIA_TYPE, DoorFailed
from omnia_facade.doors.exchange import Exchange, Kernel
from omnia_facade.doors.port import Answer, DoorRequest, DoorTurn, EventStream, Reply
from omnia_facade.doors.sessions import check_session_id

PATH = "/ag-ui"
_JSON = {"Content-Type": "application/json"}


def open_door(kernel: Kernel) -> "AguiDoor":
    """Return the door."""
    return AguiDoor(kernel)


class AguiDoor:
    """Serves frontends that speak AG-UI."""

    def __init__(self, kernel: Kernel) -> None:
        if kernel.backend is None:
            raise ConfigurationError("AG-UI is served for agents, not for functions")
        self._kernel = kernel
        self._backend = kernel.backend

    async def answer(self, exchange: Exchange) -> Answer:
        request = exchange.request
        if request.path != PATH:
            _require_method(request, "GET")
            return Reply(body=json_bytes(await self._capabilities()), headers=_JSON)
        _require_method(request, "POST")
        if request.content_type != "application/json":
            raise DoorFailed(UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json")
        return await self._run(exchange, read_run(request.body, self._kernel.public_url))

    def refusal(self, failed: DoorFailed, request: DoorRequest) -> Reply:  # noqa: ARG002 - the port's
        body = {"code": failed.code, "message": failed.message}
        return Reply(status=failed.meaning.status, body=json_bytes(body), headers=_JSON)

    async def _run(self, exchange: Exchange, request: RunRequest) -> EventStream:
        thread_id = check_session_id(request.thread_id, "threadId")
        capabilities = await self._backend.capabilities() if request.tools else frozenset()
        takes_tools = RuntimeCapability.REQUEST_TOOLS in capabilities
        begun = await begin_run(
            exchange,
            self._backend,
            request.conversation,
            DoorTurn(
                session_id=thread_id,
                parts=request.context,
                metadata=request.metadata,
                tools=request.tools if takes_tools else (),
                client_tools=True,
            ),
        )
        frames = RunFrames(
            thread_id,
            request.run_id,
            model=self._kernel.env.agent_name,
            message=f"msg_{begun.run.id}_{begun.start}",
            show_tools=self._kernel.env.show_tools,
            ignored={
                "omnia.ignored": request.ignored,
                "omnia.tools_ignored": ()
                if takes_tools
                else tuple(tool.name for tool in request.tools),
            },
        )
        return EventStream(run=begun.run, frames=frames, start=begun.start, refuses=False)

    async def _capabilities(self) -> JsonObject:
        """Return an AgentCapabilities document."""
        env = self._kernel.env
        capabilities = await self._backend.capabilities()
        return {
            "identity": {"name": env.agent_name, "type": "omnia", "provider": env.namespace},
            "transport": {
                "streaming": True,
                "websocket": False,
                "httpBinary": False,
                "pushNotifications": False,
                "resumable": False,
            },
            "tools": {
                "supported": True,
                "parallelCalls": True,
                "clientProvided": RuntimeCapability.REQUEST_TOOLS in capabilities,
            },
            "output": {"structuredOutput": False, "supportedMimeTypes": ["text/plain"]},
            "state": {
                "snapshots": False,
                "deltas": False,
                "memory": True,
                "persistentState": env.session_type.keeps_history,
            },
            "multiAgent": {"supported": False},
            "reasoning": {"supported": False},
            "humanInTheLoop": {"supported": True, "approvals": True, "interrupts": False},
        }


def _require_method(request: DoorRequest, method: str) -> None:
    if request.method != method:
        raise DoorFailed(
            METHOD_NOT_ALLOWED, f"this path allows {method} only", headers={"Allow": method}
        )
