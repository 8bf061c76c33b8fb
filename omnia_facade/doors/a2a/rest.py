"""The HTTP+JSON binding: method and path into an operation and its parameters."""

from collections.abc import Mapping

from omnia_core.jsonvalue import JsonObject, parse_json
from omnia_facade.doors.a2a.errors import A2aError, Reason
from omnia_facade.doors.a2a.operations import A2aCall, Operation

MEDIA_TYPE = "application/a2a+json"
JSON = "application/json"

_FIXED: Mapping[tuple[str, str], Operation] = {
    ("POST", "message:send"): Operation.SEND,
    ("POST", "message:stream"): Operation.STREAM,
    ("GET", "tasks"): Operation.LIST,
    ("GET", "extendedAgentCard"): Operation.EXTENDED_CARD,
}
_TASK: Mapping[tuple[str, str], Operation] = {
    ("GET", ""): Operation.GET,
    ("POST", "cancel"): Operation.CANCEL,
    # The text of the specification has POST, its proto GET.
    ("GET", "subscribe"): Operation.SUBSCRIBE,
    ("POST", "subscribe"): Operation.SUBSCRIBE,
}
_CONFIGS = "pushNotificationConfigs"
_PUSH: Mapping[tuple[str, bool], Operation] = {
    ("POST", False): Operation.PUSH_CREATE,
    ("GET", False): Operation.PUSH_LIST,
    ("GET", True): Operation.PUSH_GET,
    ("DELETE", True): Operation.PUSH_DELETE,
}


def read_call(method: str, path: str, query: Mapping[str, str], body: bytes) -> A2aCall:
    """Return what a request asks for. `path` is below the address of the binding, decoded.

    Raises:
        A2aError: there is no such operation, or the body is no JSON object.
    """
    operation, named = _operation(method, path.strip("/"))
    given: JsonObject = {**query}
    if method == "POST" and body.strip():
        given = _object(body)
    return A2aCall(operation, {**given, **named})


def _operation(method: str, path: str) -> tuple[Operation, JsonObject]:
    """Return the operation, and the parameters that the path has."""
    if operation := _FIXED.get((method, path)):
        return operation, {}
    match path.split("/"):
        case ["tasks", name]:
            task_id, _, verb = name.partition(":")
            if operation := _TASK.get((method, verb)):
                return operation, {"id": task_id}
        case ["tasks", task_id, configs, *ids] if configs == _CONFIGS and len(ids) <= 1:
            if operation := _PUSH.get((method, bool(ids))):
                # The body of a new configuration names its own id.
                return operation, {"taskId": task_id, **({"id": ids[0]} if ids else {})}
        case _:
            pass
    raise A2aError(
        Reason.METHOD_NOT_FOUND,
        f"{method} of this path is no operation of A2A; the operations begin with message:send,"
        " message:stream, tasks and extendedAgentCard",
    )


def _object(body: bytes) -> JsonObject:
    try:
        value = parse_json(body)
    except ValueError as error:
        raise A2aError(Reason.JSON_PARSE, f"the body is {error}") from error
    if not isinstance(value, dict):
        raise A2aError(Reason.INVALID_REQUEST, "the body must be a JSON object")
    return value
