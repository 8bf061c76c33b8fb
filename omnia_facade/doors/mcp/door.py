"""The MCP server at `/mcp`: one tool, in both eras of the protocol, without state."""

from collections.abc import Callable, Sequence

import msgspec

from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_core.names import Door
from omnia_facade.backend.events import Done, Failed, ToolCallEvent, TurnEvent
from omnia_facade.doors.errors import (
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    UNAUTHORIZED,
    UNSUPPORTED_MEDIA_TYPE,
    DoorFailed,
)
from omnia_facade.doors.exchange import Exchange, Kernel
from omnia_facade.doors.mcp import envelope
from omnia_facade.doors.mcp.elicitation import continuation, input_required, unknown_state
from omnia_facade.doors.mcp.envelope import McpError, McpRequest, read_request
from omnia_facade.doors.mcp.frames import (
    ServerAnswers,
    error_response,
    error_result,
    event,
    failure_result,
    progress_event,
)
from omnia_facade.doors.mcp.metadata import WELL_KNOWN, challenge
from omnia_facade.doors.mcp.resource import ProtectedResource
from omnia_facade.doors.mcp.target import AgentTarget, FunctionTarget, Target
from omnia_facade.doors.mcp.tools import ArgumentsInvalid, called_arguments
from omnia_facade.doors.port import Answer, DoorRequest, EventStream, Reply
from omnia_facade.runs.run import Run

JSON = "application/json"
# A new progress notification says so many characters more.
_PROGRESS_STEP = 64


def open_door(kernel: Kernel) -> "McpDoor":
    """Return the door of this agent or function."""
    target: Target = AgentTarget(kernel) if kernel.function is None else FunctionTarget(kernel)
    return McpDoor(target, ProtectedResource(kernel.env.auth_path, kernel.public_url))


class McpDoor:
    """Answers the requests of MCP clients."""

    def __init__(self, target: Target, resource: ProtectedResource) -> None:
        self._target = target
        self._resource = resource
        self._answers = ServerAnswers(target.tool, target.version, target.instructions)

    async def answer(self, exchange: Exchange) -> Answer:
        request = exchange.request
        if request.path.startswith(WELL_KNOWN):
            return self._metadata(request)
        if request.method != "POST":
            headers = {"Allow": "POST"}
            raise DoorFailed(METHOD_NOT_ALLOWED, "an MCP client sends POST", headers=headers)
        if request.content_type != JSON:
            raise DoorFailed(UNSUPPORTED_MEDIA_TYPE, f"expected Content-Type: {JSON}")
        try:
            message = read_request(request.headers, request.body)
            return await self._answer(exchange, message)
        except McpError as error:
            return _json_reply(error_response(error), error.status)

    def refusal(self, failed: DoorFailed, request: DoorRequest) -> Reply:
        message = _message_of(request)
        if failed.code == UNAUTHORIZED and (url := self._resource.metadata_url(request)):
            failed.headers["WWW-Authenticate"] = challenge(url)
        if message and message.method == envelope.CALL and failed.meaning.is_tool_error:
            result = failure_result(failed.code, failed.message)
            return _json_reply(self._answers.response(message, result))
        status = failed.meaning.status
        # Codes above belong to other protocols.
        code = min(failed.meaning.json_rpc, envelope.INVALID_REQUEST)
        error = McpError(status, code, failed.message, {"code": failed.code})
        error.request_id = message.id if message else None
        return _json_reply(error_response(error), status)

    async def _answer(self, exchange: Exchange, message: McpRequest) -> Answer:
        if message.is_notification:
            return Reply(status=202)
        if message.method == envelope.CALL:
            return await self._call(exchange, message)
        result = self._result(message)
        if result is None:
            raise _no_method(message)
        return _json_reply(self._answers.response(message, result))

    def _result(self, message: McpRequest) -> JsonObject | None:
        """Return the result of a request that asks for no work; None for an unknown method."""
        answers = self._answers
        if message.method == "tools/list":
            return answers.listed(modern=message.is_modern)
        if message.is_modern:
            return answers.discovered() if message.method == envelope.DISCOVER else None
        if message.method == "initialize":
            return answers.initialized(message.params)
        return {} if message.method == "ping" else None

    async def _call(self, exchange: Exchange, message: McpRequest) -> Answer:
        try:
            arguments = called_arguments(message.params, self._target.tool)
            if message.traceparent:
                headers = {**exchange.request.headers, "traceparent": message.traceparent}
                exchange.request = msgspec.structs.replace(exchange.request, headers=headers)
            run, start = await self._run(exchange, message, arguments)
        except ArgumentsInvalid as error:
            return _json_reply(self._answers.response(message, error_result(str(error))))
        except McpError as error:
            # Clients of older versions read the body of successful answers only.
            error.status = error.status if message.is_modern else 200
            error.request_id = message.id
            raise
        frames = CallFrames(run, message, self._answers, self._target.result)
        return EventStream(run=run, frames=frames, start=start)

    async def _run(
        self, exchange: Exchange, message: McpRequest, arguments: JsonObject
    ) -> tuple[Run, int]:
        """Return the run of a call, and from where on the client has not read it."""
        again = continuation(message.params) if message.is_modern else None
        if again is None:
            tools = message.can_elicit
            return await self._target.begin(exchange, arguments, client_tools=tools), 0
        run = await exchange.find(again.run_id)
        if run is None or run.door != Door.MCP:
            raise unknown_state()
        if again.results:
            await exchange.resume(run.session_id, again.results)
        return run, run.position

    def _metadata(self, request: DoorRequest) -> Reply:
        document = self._resource.document(request)
        if document is None:
            raise DoorFailed(NOT_FOUND, "this agent accepts no tokens of an OpenID provider")
        if request.method not in ("GET", "HEAD"):
            headers = {"Allow": "GET"}
            raise DoorFailed(METHOD_NOT_ALLOWED, "this is read with GET", headers=headers)
        return _json_reply(json_bytes(document))


class CallFrames:
    """Writes the stream of one call: progress, if the client asked for it, and the result."""

    def __init__(
        self,
        run: Run,
        request: McpRequest,
        answers: ServerAnswers,
        result: Callable[[Done, str, McpRequest], JsonObject],
    ) -> None:
        """`result` makes the result of a call that succeeded, with the id of its session."""
        self._run = run
        self._request = request
        self._answers = answers
        self._result = result
        self._characters = 0
        self._shown = 0

    def open(self) -> str:
        return ""

    def text(self, text: str) -> str:
        token = self._request.progress_token
        if token is None:
            return ""
        self._characters += len(text)
        if self._characters < self._shown + _PROGRESS_STEP:
            return ""
        self._shown = self._characters
        return progress_event(token, self._characters).decode()

    def event(self, event: TurnEvent) -> str:  # noqa: ARG002 - the client sees the result only
        return ""

    def park(self, calls: Sequence[ToolCallEvent]) -> str:
        result = input_required(self._run.id, calls)
        return event(self._answers.response(self._request, result)).decode()

    def end(self, outcome: Done | Failed) -> str:
        if isinstance(outcome, Failed):
            result = failure_result(outcome.code, outcome.message)
        else:
            result = self._result(outcome, self._run.session_id, self._request)
        return event(self._answers.response(self._request, result)).decode()


def _no_method(message: McpRequest) -> McpError:
    error = McpError(
        404 if message.is_modern else 200,
        envelope.METHOD_NOT_FOUND,
        f'the method "{message.method[:64]}" is not served',
    )
    error.request_id = message.id
    return error


def _message_of(request: DoorRequest) -> McpRequest | None:
    try:
        return read_request(request.headers, request.body)
    except McpError:
        return None


def _json_reply(body: bytes, status: int = 200) -> Reply:
    return Reply(status=status, body=body, headers={"Content-Type": JSON})
