"""The gRPC binding: messages of `lf.a2a.v1` into calls, results and events into messages.

A2A 1.0.1, section 10. Between the wire and the operations a message is ProtoJSON, as in the other
bindings, so that nothing is decided twice.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from google.protobuf import empty_pb2, json_format
from google.protobuf.message import DecodeError, Message

from omnia_core.jsonvalue import JsonObject
from omnia_core.wire.a2a.v1 import a2a_pb2 as pb
from omnia_facade.doors.a2a.errors import DOMAIN, A2aError, Reason
from omnia_facade.doors.a2a.operations import A2aCall, Operation
from omnia_rpc.headers import RpcFailed, StatusCode
from omnia_rpc.messages import with_prefix

MessageType: TypeAlias = type[Message]

SERVICE = "lf.a2a.v1.A2AService"
_TYPES: Mapping[Operation, tuple[MessageType, MessageType]] = {
    Operation.SEND: (pb.SendMessageRequest, pb.SendMessageResponse),
    Operation.STREAM: (pb.SendMessageRequest, pb.StreamResponse),
    Operation.GET: (pb.GetTaskRequest, pb.Task),
    Operation.LIST: (pb.ListTasksRequest, pb.ListTasksResponse),
    Operation.CANCEL: (pb.CancelTaskRequest, pb.Task),
    Operation.SUBSCRIBE: (pb.SubscribeToTaskRequest, pb.StreamResponse),
    Operation.PUSH_CREATE: (pb.TaskPushNotificationConfig, pb.TaskPushNotificationConfig),
    Operation.PUSH_GET: (pb.GetTaskPushNotificationConfigRequest, pb.TaskPushNotificationConfig),
    Operation.PUSH_LIST: (
        pb.ListTaskPushNotificationConfigsRequest,
        pb.ListTaskPushNotificationConfigsResponse,
    ),
    Operation.PUSH_DELETE: (pb.DeleteTaskPushNotificationConfigRequest, empty_pb2.Empty),
    Operation.EXTENDED_CARD: (pb.GetExtendedAgentCardRequest, pb.AgentCard),
}
PATHS: Mapping[str, Operation] = {
    f"/{SERVICE}/{operation.value}": operation for operation in _TYPES
}
# Failures of the transport have codes of their own, as gRPC names them.
_CODES: Mapping[int, StatusCode] = {
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    408: StatusCode.DEADLINE_EXCEEDED,
    409: StatusCode.ABORTED,
    413: StatusCode.RESOURCE_EXHAUSTED,
    429: StatusCode.RESOURCE_EXHAUSTED,
    503: StatusCode.UNAVAILABLE,
}
# A level of JSON is three of protobuf, and clients read 100 (https://protobuf.dev, "Recursion").
_LEVELS = 24
# Larger numbers are no doubles.
_LARGEST = 2**1023


def read_call(operation: Operation, message: bytes) -> A2aCall:
    """Return what a request asks for.

    Raises:
        A2aError: INVALID_REQUEST: the message is none of this operation.
    """
    request = _TYPES[operation][0]()
    try:
        request.ParseFromString(message)
        params = json_format.MessageToDict(request)
    except (DecodeError, ValueError, json_format.Error) as error:
        raise A2aError(
            Reason.INVALID_REQUEST,
            f"the message is no {request.DESCRIPTOR.name} of A2A 1.0",
        ) from error
    return A2aCall(operation, params)


def result_message(operation: Operation, result: JsonObject) -> bytes:
    """Return the response with the result of an operation."""
    return _message(result, _TYPES[operation][1]).SerializeToString()


def failure(error: A2aError, http_status: int = 0) -> RpcFailed:
    """Return the status for an error; `http_status` is that of a failure of the transport."""
    code = _CODES.get(http_status, StatusCode(error.reason.value[3]))
    status = pb.Status(code=int(code), message=str(error))
    info = pb.ErrorInfo(reason=error.reason.name, domain=DOMAIN)
    if error.task_id:
        info.metadata["taskId"] = error.task_id.encode(errors="replace").decode()
    details: list[Message] = [info]
    if error.field:
        violation = pb.BadRequest.FieldViolation(field=error.field, description=str(error))
        details.append(pb.BadRequest(field_violations=[violation]))
    if error.retry_seconds:
        retry = pb.RetryInfo()
        retry.retry_delay.seconds = error.retry_seconds
        details.append(retry)
    for detail in details:
        name = f"type.googleapis.com/google.rpc.{detail.DESCRIPTOR.name}"
        status.details.add(type_url=name, value=detail.SerializeToString())
    return RpcFailed(code, str(error), status.SerializeToString())


class GrpcWriter:
    """Writes the events of a stream as gRPC messages with their prefixes."""

    nothing = b""

    def event(self, response: JsonObject) -> bytes:
        return with_prefix(_message(response, pb.StreamResponse).SerializeToString())

    def pieces(self, response: JsonObject) -> Callable[[str], bytes]:
        # One message serves all pieces: only its text changes.
        message = pb.StreamResponse()
        json_format.ParseDict(response, message)
        part = message.artifact_update.artifact.parts[0]

        def piece(text: str) -> bytes:
            part.text = text
            return with_prefix(message.SerializeToString())

        return piece


def _message(value: JsonObject, kind: MessageType) -> Message:
    return json_format.ParseDict(_sendable(value), kind(), ignore_unknown_fields=True)


def _sendable(value: Any, levels: int = _LEVELS) -> Any:
    """Return a JSON value in what protobuf can say.

    Half characters are replaced, and what is nested too deeply, or too large for a double, is JSON
    text.
    """
    match value:
        case str():
            return value if value.isascii() else _whole(value)
        case int() if abs(value) >= _LARGEST:
            return str(value)
        case dict() | list() if not levels and value:
            return json.dumps(value, separators=(",", ":"))
        case dict():
            return {_whole(key): _sendable(item, levels - 1) for key, item in value.items()}
        case list():
            return [_sendable(item, levels - 1) for item in value]
        case _:
            return value


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
