"""The JSON-RPC binding: requests into calls, results and events into responses."""

from collections.abc import Collection
from typing import Any, TypeAlias

from msgspec import Struct

from omnia_core.jsonvalue import JsonObject, json_bytes, parse_json
from omnia_facade.doors.a2a import v03
from omnia_facade.doors.a2a.errors import A2aError, Reason, jsonrpc_error
from omnia_facade.doors.a2a.operations import A2aCall, Operation
from omnia_facade.doors.a2a.versions import is_legacy

RequestId: TypeAlias = str | int | float | None


class JsonRpcRequest(Struct, frozen=True):
    """A JSON-RPC request; the id is None if the client sent none."""

    id: RequestId
    method: str
    params: JsonObject


def read_request(body: bytes) -> JsonRpcRequest:
    """Parse a request.

    Raises:
        A2aError: JSON_PARSE or INVALID_REQUEST.
    """
    try:
        message = parse_json(body)
    except ValueError as error:
        raise A2aError(Reason.JSON_PARSE, f"the body is {error}") from error
    if not isinstance(message, dict):
        raise A2aError(
            Reason.INVALID_REQUEST, "the body is no JSON-RPC request: expected one object"
        )
    request_id: Any = message.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, str | int | float | None):
        raise A2aError(Reason.INVALID_REQUEST, "the id must be a string or a number")
    method, params = message.get("method"), message.get("params")
    if message.get("jsonrpc") != "2.0" or not isinstance(method, str):
        raise InvalidRequest(
            'the body is no JSON-RPC request: expected "jsonrpc": "2.0" and a method', request_id
        )
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise InvalidRequest("params must be an object", request_id, Reason.INVALID_PARAMS)
    return JsonRpcRequest(request_id, method, params)


class InvalidRequest(A2aError):
    """A request that is invalid, but whose id could be read."""

    def __init__(
        self, message: str, request_id: RequestId, reason: Reason = Reason.INVALID_REQUEST
    ) -> None:
        super().__init__(reason, message)
        self.request_id = request_id


def read_call(
    request: JsonRpcRequest, header: str, parameter: str, served: Collection[str]
) -> A2aCall:
    """Return what a request asks for. The version is in the header or the query parameter.

    Raises:
        A2aError: the version or the method is not served, or a parameter of 0.3 is invalid.
    """
    if is_legacy(header, parameter, served):
        operation = v03.METHODS.get(request.method)
        if operation is None:
            raise _no_method(request.method, header or parameter)
        return A2aCall(operation, v03.request(operation, request.params), legacy=True)
    try:
        operation = Operation(request.method)
    except ValueError:
        raise _no_method(request.method, header or parameter) from None
    return A2aCall(operation, request.params)


def response(request_id: RequestId, result: Any) -> bytes:
    """Return the response with a result, as JSON."""
    return json_bytes({"jsonrpc": "2.0", "id": request_id, "result": result})


def error_response(request_id: RequestId, error: A2aError) -> bytes:
    """Return the response with an error, as JSON."""
    return json_bytes({"jsonrpc": "2.0", "id": request_id, "error": jsonrpc_error(error)})


def _no_method(method: str, version: str) -> A2aError:
    hint = "" if version else "; a request without the header A2A-Version speaks A2A 0.3"
    return A2aError(Reason.METHOD_NOT_FOUND, f'there is no method "{method[:64]}"{hint}')
