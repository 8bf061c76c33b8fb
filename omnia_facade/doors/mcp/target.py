"""The action of the tool: a turn of the agent, or a call of the function."""

from typing import Protocol

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.conversation.listener import TurnListener
from omnia_core.jsonvalue import JsonObject, json_bytes, parse_json
from omnia_core.session_ids import new_session_id
from omnia_facade.backend.audio import AudioQueue
from omnia_facade.backend.events import (
    CallRequest,
    ClientToolResult,
    Done,
    Failed,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.backend.port import Probed, Resume
from omnia_facade.doors.exchange import Exchange, Kernel
from omnia_facade.doors.mcp.envelope import McpRequest
from omnia_facade.doors.mcp.frames import answer_result, value_result
from omnia_facade.doors.mcp.tools import (
    INPUT,
    ArgumentsInvalid,
    ToolDescription,
    agent_arguments,
    agent_tool,
    function_tool,
    takes_object,
)
from omnia_facade.doors.port import DoorTurn
from omnia_facade.functions.errors import FunctionErrorCode, FunctionFailed
from omnia_facade.functions.function import Function, FunctionInvocation
from omnia_facade.runs.run import Run

# The agent's own version is in its pack; a client shows this one.
VERSION = "1.0.0"


class Target(Protocol):
    """The action of the server's tool."""

    tool: ToolDescription
    version: str
    instructions: str

    async def begin(
        self, exchange: Exchange, arguments: JsonObject, *, client_tools: bool = False
    ) -> Run:
        """Begin a call; with `client_tools` the client can answer tool calls.

        Raises:
            ArgumentsInvalid: the model that wrote the arguments reads why.
            DoorFailed: the call cannot begin.
        """

    def result(self, done: Done, session_id: str, request: McpRequest) -> JsonObject:
        """Return the result of a call that succeeded."""


class AgentTarget:
    """Sends a message to the agent."""

    def __init__(self, kernel: Kernel) -> None:
        env = kernel.env
        name = env.agent_name
        self.tool = agent_tool(env.mcp_tool_name or name, name, env.mcp_tool_description or "")
        self.version = VERSION
        self.instructions = (
            f"The agent {name}. Pass the session_id of a result to go on with its conversation."
        )

    async def begin(
        self, exchange: Exchange, arguments: JsonObject, *, client_tools: bool = False
    ) -> Run:
        asked = agent_arguments(arguments)
        if not asked.message:
            raise ArgumentsInvalid("input_invalid: message is empty; say something to the agent")
        session_id = asked.session_id or ""
        return await exchange.begin(
            DoorTurn(
                session_id=session_id,
                known=bool(session_id),
                content=asked.message,
                client_tools=client_tools,
            )
        )

    def result(self, done: Done, session_id: str, request: McpRequest) -> JsonObject:  # noqa: ARG002
        return answer_result(done, session_id)


class FunctionTarget:
    """Calls the function."""

    def __init__(self, kernel: Kernel) -> None:
        env, function = kernel.env, kernel.function
        if function is None:
            raise TypeError("there is no function")
        self._function = function
        self._seconds = env.turn_timeout.seconds
        file = function.file
        self.tool = function_tool(
            env.mcp_tool_name or function.name,
            env.mcp_tool_description or "",
            file.input_schema,
            file.output_schema,
        )
        self._object = takes_object(file.input_schema)
        self.version = VERSION
        self.instructions = f"The function {function.name}."

    async def begin(
        self,
        exchange: Exchange,
        arguments: JsonObject,
        *,
        client_tools: bool = False,  # noqa: ARG002 - a function has no tools of the client
    ) -> Run:
        body = json_bytes(arguments if self._object else arguments.get(INPUT))
        call = FunctionInvocation(new_session_id(), exchange.request.caller, self._seconds)
        return await exchange.begin_call(_FunctionCall(self._function, call), body.decode())

    def result(self, done: Done, session_id: str, request: McpRequest) -> JsonObject:  # noqa: ARG002
        return value_result(parse_json(done.content), modern=request.is_modern)


class _FunctionCall:
    """A call of a function as the turn of a run: it has heartbeats and an end as others have."""

    def __init__(self, function: Function, call: FunctionInvocation) -> None:
        self._function = function
        self._call = call

    @property
    def variant(self) -> str:
        return self._function.variant_of(self._call)

    async def turn(self, request: TurnRequest, listener: TurnListener[TurnEvent]) -> Done | Failed:  # noqa: ARG002 - a function has one answer
        try:
            answer = await self._function.run(request.content.encode(), self._call)
        except FunctionFailed as failure:
            if failure.code is FunctionErrorCode.INTERNAL_ERROR:
                return Failed(ErrorCode.INTERNAL_ERROR, str(failure))
            return Failed(failure.code, str(failure))
        return Done(json_bytes(parse_json(answer.body)["output"]).decode())

    async def probe(self, session_id: str) -> Probed:  # noqa: ARG002 - a function has no sessions
        return Probed(Resume.NOT_FOUND)

    async def call(
        self,
        request: CallRequest,  # noqa: ARG002 - as above
        audio: AudioQueue,  # noqa: ARG002 - as above
        listener: TurnListener[TurnEvent],  # noqa: ARG002 - as above
    ) -> Done | Failed:
        return Failed(ErrorCode.DUPLEX_UNSUPPORTED, "a function holds no voice calls")

    def hang_up(self) -> None:
        """Ignored: there is no voice call."""

    def cancel(self) -> None:
        """Ignored: a function is not interrupted."""

    def send_tool_result(self, result: ClientToolResult) -> None:
        """Ignored: a function has no tools of the client."""

    def close(self) -> None:
        """Nothing is held."""
