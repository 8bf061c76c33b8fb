"""The A2A door: JSON-RPC at `/a2a`, HTTP+JSON below `/a2a/v1`, the card at its known address.

What the bindings share is here too; that of gRPC is `grpc.py`.
"""

from functools import partial
from typing import Any, AnyStr

from omnia_core.cards.card import REST_PATH, TOOLS_EXTENSION
from omnia_core.cards.signature import JWKS_PATH
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_facade.doors.a2a import jsonrpc, rest, v03
from omnia_facade.doors.a2a.cards import CARD_PATHS, AgentCards
from omnia_facade.doors.a2a.errors import A2aError, Reason, rest_error
from omnia_facade.doors.a2a.frames import EventWriter, SseWriter, TaskFrames, Wrap
from omnia_facade.doors.a2a.operations import A2aCall
from omnia_facade.doors.a2a.push import PushNotifications
from omnia_facade.doors.a2a.service import TaskService
from omnia_facade.doors.a2a.versions import HEADER, is_legacy
from omnia_facade.doors.errors import METHOD_NOT_ALLOWED, DoorFailed
from omnia_facade.doors.exchange import Exchange, Kernel
from omnia_facade.doors.port import Answer, DoorRequest, EventStream, Reply
from omnia_facade.runs.run import Run

# Failures of the transport have their HTTP status in JSON-RPC too.
_TRANSPORT = frozenset({401, 403, 405, 408, 413, 503})
_REASONS = {reason.code: reason for reason in reversed(Reason)}


def open_door(kernel: Kernel) -> "A2aDoor":
    """Return the door of this agent."""
    push = PushNotifications(kernel.env.a2a_push_hosts)
    kernel.context.stack.push_async_callback(push.close)
    cards = AgentCards(kernel.env, kernel.public_url)
    return A2aDoor(kernel, cards, TaskService(kernel, cards, push))


class A2aDoor:
    """Answers the requests of A2A clients."""

    def __init__(self, kernel: Kernel, cards: AgentCards, service: TaskService) -> None:
        self._versions = kernel.env.a2a_versions
        self._show_tools = kernel.env.show_tools
        self._cards = cards
        self._service = service

    async def answer(self, exchange: Exchange) -> Answer:
        request = exchange.request
        if request.path in CARD_PATHS or request.path == JWKS_PATH:
            _require_method(request, "GET", "HEAD")
            return self._cards.reply(request)
        if _is_rest(request.path):
            return await self._rest(exchange)
        _require_method(request, "POST")
        return await self._jsonrpc(exchange)

    def refusal(self, failed: DoorFailed, request: DoorRequest) -> Reply:
        error = error_of(failed)
        if _is_rest(request.path) or request.path.startswith("/.well-known/"):
            body = rest_error(error)
            body["error"]["code"] = failed.meaning.status
            return _reply(json_bytes(body), failed.meaning.status)
        try:
            request_id = jsonrpc.read_request(request.body).id
        except A2aError:
            request_id = None
        status = failed.meaning.status if failed.meaning.status in _TRANSPORT else 200
        return _reply(jsonrpc.error_response(request_id, error), status)

    async def _jsonrpc(self, exchange: Exchange) -> Answer:
        request, request_id = exchange.request, None
        try:
            _require_type(request, rest.JSON)
            message = jsonrpc.read_request(request.body)
            request_id = message.id
            call = jsonrpc.read_call(message, *_version_of(request), self._versions)
            if call.operation.streams:
                wrap = partial(_jsonrpc_event, request_id, call.legacy)
                return await self._stream(exchange, call, wrap)
            result: Any = await self.result(exchange, call)
        except A2aError as error:
            if isinstance(error, jsonrpc.InvalidRequest):
                request_id = error.request_id
            return _reply(jsonrpc.error_response(request_id, error))
        if call.legacy:
            result = v03.result(call.operation, result)
        return _reply(jsonrpc.response(request_id, result))

    async def _rest(self, exchange: Exchange) -> Answer:
        request = exchange.request
        try:
            if request.method == "POST" and request.body:
                _require_type(request, rest.JSON, rest.MEDIA_TYPE)
            self.require_v10(request, "HTTP+JSON")
            path = request.path.removeprefix(REST_PATH)
            query = {name: value for name, value in request.query.items() if name != HEADER}
            call = rest.read_call(request.method, path, query, request.body)
            if call.operation.streams:
                return await self._stream(exchange, call, _rest_event)
            result = await self.result(exchange, call)
        except A2aError as error:
            return _reply(json_bytes(rest_error(error)), error.reason.status)
        return _reply(json_bytes(result), media_type=_rest_type(request))

    def require_v10(self, request: DoorRequest, binding: str) -> None:
        """Check the version of a request by a binding that 0.3 is not served by.

        Raises:
            A2aError: VERSION_NOT_SUPPORTED.
        """
        if is_legacy(*_version_of(request), self._versions):
            raise A2aError(
                Reason.VERSION_NOT_SUPPORTED,
                f'{binding} is served for A2A 1.0; send the header "{HEADER}: 1.0"',
            )

    async def result(self, exchange: Exchange, call: A2aCall) -> JsonObject:
        """Return the result of an operation that does not stream.

        Raises:
            A2aError, DoorFailed: the operation is refused.
        """
        return await self._service.result(exchange, call)

    async def frames(
        self, exchange: Exchange, call: A2aCall, writer: EventWriter[AnyStr]
    ) -> tuple[Run, TaskFrames[AnyStr]]:
        """Return the run to stream from its present position on, and what writes it.

        Raises:
            A2aError, DoorFailed: the operation is refused.
        """
        run, history_length = await self._service.stream(exchange, call)
        asked = exchange.request.headers.get("a2a-extensions", "")
        return run, TaskFrames(
            run,
            writer,
            history_length=history_length,
            show_tools=self._show_tools and TOOLS_EXTENSION in asked,
        )

    async def _stream(self, exchange: Exchange, call: A2aCall, wrap: Wrap) -> EventStream:
        run, frames = await self.frames(exchange, call, SseWriter(wrap))
        # The snapshot has what came before.
        return EventStream(run=run, frames=frames, start=run.position, refuses=False)


def _reply(body: bytes, status: int = 200, media_type: str = rest.JSON) -> Reply:
    return Reply(status=status, body=body, headers={"Content-Type": media_type})


def _jsonrpc_event(request_id: jsonrpc.RequestId, legacy: bool, response: JsonObject) -> JsonObject:
    result = v03.event(response) if legacy else response
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def _rest_event(response: JsonObject) -> JsonObject:
    return response


def _rest_type(request: DoorRequest) -> str:
    """Return the media type of a result: the one that the client uses."""
    used = f"{request.headers.get('content-type', '')},{request.headers.get('accept', '')}"
    return rest.MEDIA_TYPE if rest.MEDIA_TYPE in used else rest.JSON


def _is_rest(path: str) -> bool:
    return path == REST_PATH or path.startswith(f"{REST_PATH}/")


def _version_of(request: DoorRequest) -> tuple[str, str]:
    return request.headers.get(HEADER.lower(), ""), request.query.get(HEADER, "")


def _require_type(request: DoorRequest, *types: str) -> None:
    if request.content_type not in types:
        raise A2aError(
            Reason.CONTENT_TYPE_NOT_SUPPORTED,
            f'expected Content-Type: {types[-1]}, found "{request.content_type[:64]}"',
        )


def _require_method(request: DoorRequest, *methods: str) -> None:
    if request.method not in methods:
        raise DoorFailed(
            METHOD_NOT_ALLOWED,
            f"expected {methods[0]} {request.path}",
            headers={"Allow": ", ".join(methods)},
        )


def error_of(failed: DoorFailed) -> A2aError:
    """Return the failure of the kernel as an error of the protocol."""
    meaning = failed.meaning
    reason = _REASONS.get(meaning.json_rpc, Reason.INTERNAL_ERROR)
    if meaning.status == Reason.UNAVAILABLE.status:
        reason = Reason.UNAVAILABLE
    retry = int(failed.headers.get("Retry-After", "0") or 0)
    return A2aError(reason, failed.message, field=failed.parameter, retry_seconds=retry)
