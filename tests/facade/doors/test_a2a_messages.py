"""The messages of A2A: what clients send, in both spellings and in 0.3, and what is refused."""

from collections.abc import Callable
from typing import Any, TypeVar

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_facade.doors.a2a import jsonrpc, rest, v03
from omnia_facade.doors.a2a.errors import A2aError, Reason
from omnia_facade.doors.a2a.messages import (
    ListTasksRequest,
    SendMessageRequest,
    TaskRequest,
    decode,
    document,
    timestamp,
)
from omnia_facade.doors.a2a.operations import Operation

T = TypeVar("T")
MESSAGE: dict[str, Any] = {
    "messageId": "m-1",
    "role": "ROLE_USER",
    "contextId": "s-1",
    "parts": [
        {"text": "hi", "metadata": {"some_key": 1}},
        {"raw": "aGk=", "mediaType": "image/png", "filename": "a.png"},
        {"url": "https://example.com/a.png"},
        {"data": {"snake_case": None}},
    ],
}
OLD_MESSAGE: dict[str, Any] = {
    "kind": "message",
    "messageId": "m-1",
    "role": "user",
    "contextId": "s-1",
    "parts": [
        {"kind": "text", "text": "hi", "metadata": {"some_key": 1}},
        {"kind": "file", "file": {"bytes": "aGk=", "mimeType": "image/png", "name": "a.png"}},
        {"kind": "file", "file": {"uri": "https://example.com/a.png"}},
        {"kind": "data", "data": {"snake_case": None}},
    ],
}


def plain(value: Any) -> Any:
    """Return a value as a client reads it."""
    return orjson.loads(orjson.dumps(value))


def reason_of(value: Any, kind: Any = SendMessageRequest) -> A2aError:
    with pytest.raises(A2aError) as caught:
        decode(value, kind)
    return caught.value


def outcome(call: Callable[[], T]) -> T | A2aError:
    try:
        return call()
    except A2aError as error:
        return error


def test_a_message_is_read_and_written_unchanged() -> None:
    request = decode({"message": MESSAGE}, SendMessageRequest)
    assert plain(document(request.message)) == MESSAGE


def test_the_proto_names_are_read_too_but_not_inside_what_belongs_to_the_client() -> None:
    message = {"message_id": "m", "role": "ROLE_USER", "parts": [{"data": {"a_b": 1}}]}
    configuration = {"history_length": "3", "return_immediately": True, "accepted_output_modes": []}
    request = decode({"message": message, "configuration": configuration}, SendMessageRequest)
    assert request.configuration.history_length == 3
    assert request.configuration.return_immediately
    assert request.message.parts[0].data == {"a_b": 1}


def test_null_is_as_nothing_and_unknown_members_are_not_kept() -> None:
    message = {**MESSAGE, "taskId": None, "metadata": None, "unknownField": {"a": 1}}
    kept = document(decode({"message": message}, SendMessageRequest).message)
    assert plain(kept) == MESSAGE


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"messageId": ""}, "message.messageId"),
        ({"parts": []}, "message.parts"),
        ({"parts": [{}]}, "message.parts[0]"),
        ({"parts": [{"text": "a", "url": "b"}]}, "message.parts[0]"),
        ({"role": "user"}, "message.role"),
        ({"contextId": 7}, "message.contextId"),
    ],
)
def test_an_invalid_message_is_refused_with_the_name_of_its_member(
    change: dict[str, Any], field: str
) -> None:
    error = reason_of({"message": {**MESSAGE, **change}})
    assert (error.reason, error.field) == (Reason.INVALID_PARAMS, field)
    assert error.details[1]["fieldViolations"][0]["field"] == field


@pytest.mark.parametrize("size", [0, 101, "x", -1])
def test_a_page_has_one_to_a_hundred_tasks(size: Any) -> None:
    assert reason_of({"pageSize": size}, ListTasksRequest).field == "pageSize"


def test_times_have_milliseconds() -> None:
    assert timestamp(1_790_000_000.0124) == "2026-09-21T14:13:20.012Z"


def test_a_message_of_03_is_the_same_message() -> None:
    params = v03.request(
        Operation.SEND,
        {
            "message": OLD_MESSAGE,
            "configuration": {
                "blocking": False,
                "historyLength": 0,
                "pushNotificationConfig": {
                    "url": "https://example.com",
                    "authentication": {"schemes": ["Bearer"], "credentials": "x"},
                },
            },
        },
    )
    request = decode(params, SendMessageRequest)
    assert plain(document(request.message)) == MESSAGE
    assert request.configuration.return_immediately
    assert request.configuration.history_length is None
    push = request.configuration.task_push_notification_config
    assert push is not None
    assert push.authentication is not None
    assert push.authentication.scheme == "Bearer"


def test_a_task_of_10_is_written_for_03() -> None:
    task = {
        "id": "t",
        "contextId": "s-1",
        "status": {"state": "TASK_STATE_INPUT_REQUIRED", "timestamp": "now", "message": MESSAGE},
        "artifacts": [{"artifactId": "answer", "parts": [{"data": 7}]}],
        "history": [MESSAGE],
    }
    assert v03.result(Operation.GET, task) == {
        "kind": "task",
        "id": "t",
        "contextId": "s-1",
        "status": {"state": "input-required", "timestamp": "now", "message": OLD_MESSAGE},
        "artifacts": [{"artifactId": "answer", "parts": [{"kind": "data", "data": {"value": 7}}]}],
        "history": [OLD_MESSAGE],
    }


@pytest.mark.parametrize(
    ("method", "path", "operation", "params"),
    [
        ("POST", "message:send", Operation.SEND, {}),
        ("POST", "/message:stream", Operation.STREAM, {}),
        ("GET", "tasks/t", Operation.GET, {"id": "t"}),
        ("GET", "tasks", Operation.LIST, {}),
        ("POST", "tasks/t:cancel", Operation.CANCEL, {"id": "t"}),
        ("GET", "tasks/t:subscribe", Operation.SUBSCRIBE, {"id": "t"}),
        ("POST", "tasks/t:subscribe", Operation.SUBSCRIBE, {"id": "t"}),
        ("POST", "tasks/t/pushNotificationConfigs", Operation.PUSH_CREATE, {"taskId": "t"}),
        (
            "DELETE",
            "tasks/t/pushNotificationConfigs/c",
            Operation.PUSH_DELETE,
            {"taskId": "t", "id": "c"},
        ),
        ("GET", "extendedAgentCard", Operation.EXTENDED_CARD, {}),
    ],
)
def test_paths_are_operations(
    method: str, path: str, operation: Operation, params: dict[str, Any]
) -> None:
    call = rest.read_call(method, path, {}, b"")
    assert (call.operation, call.params) == (operation, params)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "tasks"),
        ("GET", "message:send"),
        ("GET", ""),
        ("POST", "tasks/t"),
        ("GET", "tasks/t/pushNotificationConfigs/c/d"),
    ],
)
def test_other_paths_are_no_operations(method: str, path: str) -> None:
    with pytest.raises(A2aError) as caught:
        rest.read_call(method, path, {}, b"")
    assert caught.value.reason is Reason.METHOD_NOT_FOUND


@pytest.mark.parametrize(
    ("header", "parameter", "legacy"),
    [
        ("1.0", "", False),
        ("1.0.0", "", False),
        ("", "1.0", False),
        ("", "", True),
        ("0.3", "", True),
    ],
)
def test_a_request_without_a_version_speaks_03(header: str, parameter: str, legacy: bool) -> None:
    method = "tasks/get" if legacy else "GetTask"
    request = jsonrpc.JsonRpcRequest(1, method, {"id": "t"})
    call = jsonrpc.read_call(request, header, parameter, ("1.0", "0.3"))
    assert (call.operation, call.legacy) == (Operation.GET, legacy)


def test_a_version_that_is_not_served_is_told_so() -> None:
    with pytest.raises(A2aError) as caught:
        jsonrpc.read_call(jsonrpc.JsonRpcRequest(1, "message/send", {}), "", "", ("1.0",))
    assert caught.value.reason is Reason.VERSION_NOT_SUPPORTED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
MEMBERS = (*MESSAGE, "taskId", "metadata", "extensions", "reference_task_ids", "kind")
PART_MEMBERS = ("text", "raw", "url", "data", "mediaType", "kind", "file", "metadata")


@given(
    st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=4),
    st.dictionaries(st.sampled_from(PART_MEMBERS), JSON, max_size=3),
    JSON,
    st.booleans(),
)
def test_whatever_is_mutated_is_a_message_or_invalid_params(
    changes: dict[str, Any], part: dict[str, Any], configuration: Any, legacy: bool
) -> None:
    message = OLD_MESSAGE if legacy else MESSAGE
    message = {**message, "parts": [*message["parts"], part], **changes}
    params = {"message": message, "configuration": configuration}

    def read() -> SendMessageRequest:
        given = v03.request(Operation.SEND, params) if legacy else params
        return decode(given, SendMessageRequest)

    found = outcome(read)
    if isinstance(found, A2aError):
        assert found.reason is Reason.INVALID_PARAMS
        assert orjson.dumps(found.details)
        return
    # What is accepted can be sent back, to clients of both versions.
    sent = plain(document(found.message))
    assert decode({"message": sent}, SendMessageRequest).message == found.message
    assert v03.event({"task": {"id": "", "status": {"state": ""}, "history": [sent]}})


@given(st.binary(max_size=60) | JSON.map(orjson.dumps))
def test_any_body_is_a_request_or_an_error(body: bytes) -> None:
    found = outcome(lambda: jsonrpc.read_request(body))
    reasons = (Reason.JSON_PARSE, Reason.INVALID_REQUEST, Reason.INVALID_PARAMS)
    assert not isinstance(found, A2aError) or found.reason in reasons


@given(st.sampled_from(["GET", "POST", "DELETE", "PUT"]), st.text(max_size=40))
def test_any_path_is_an_operation_or_an_error(method: str, path: str) -> None:
    found = outcome(lambda: rest.read_call(method, f"tasks/{path}", {}, b""))
    assert not isinstance(found, A2aError) or found.reason is Reason.METHOD_NOT_FOUND


@given(JSON)
def test_any_parameters_of_a_task_are_read_or_refused(value: Any) -> None:
    found = outcome(lambda: decode(value, TaskRequest))
    assert not isinstance(found, A2aError) or found.reason is Reason.INVALID_PARAMS
