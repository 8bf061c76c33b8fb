"""The envelope of an MCP request: JSON-RPC, headers and `_meta` of both eras."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_facade.doors.mcp import envelope
from omnia_facade.doors.mcp.envelope import LEGACY, META, MODERN, McpError, McpRequest, read_request

HEADERS = {
    "mcp-protocol-version": MODERN[0],
    "mcp-method": "tools/call",
    "mcp-name": "refunds",
}


def modern(**changes: Any) -> dict[str, Any]:
    """Return a good request of 2026-07-28."""
    meta = {f"{META}protocolVersion": MODERN[0], f"{META}clientCapabilities": {}}
    return {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {"name": "refunds", "arguments": {"message": "hi"}, "_meta": meta},
        **changes,
    }


def refused(headers: dict[str, str], message: Any) -> McpError:
    with pytest.raises(McpError) as caught:
        read_request(headers, orjson.dumps(message))
    return caught.value


def outcome(headers: dict[str, str], message: Any) -> McpRequest | McpError:
    try:
        return read_request(headers, orjson.dumps(message))
    except McpError as error:
        return error


def test_a_modern_request_names_its_version_in_the_body_and_in_the_headers() -> None:
    request = read_request(HEADERS, orjson.dumps(modern()))
    assert (request.version, request.is_modern, request.id) == (MODERN[0], True, 7)


@pytest.mark.parametrize("name", ["refunds", " refunds ", "=?base64?cmVmdW5kcw==?="])
def test_a_name_in_a_header_may_be_base64(name: str) -> None:
    assert read_request({**HEADERS, "mcp-name": name}, orjson.dumps(modern())).method


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_that_is_missing_or_differs_is_refused(header: str) -> None:
    missing = {name: value for name, value in HEADERS.items() if name != header}
    for headers in (missing, {**HEADERS, header: "other"}):
        error = refused(headers, modern())
        assert (error.status, error.code, error.request_id) == (400, -32020, 7)


def test_a_version_that_is_not_served_is_answered_with_those_that_are() -> None:
    message = modern()
    message["params"]["_meta"][f"{META}protocolVersion"] = "2099-01-01"
    error = refused({**HEADERS, "mcp-protocol-version": "2099-01-01"}, message)
    assert error.code == envelope.UNSUPPORTED_VERSION
    assert error.data == {"supported": [*MODERN, *LEGACY], "requested": "2099-01-01"}


def test_a_modern_request_needs_the_capabilities_of_the_client() -> None:
    message = modern()
    del message["params"]["_meta"][f"{META}clientCapabilities"]
    assert refused(HEADERS, message).code == envelope.INVALID_PARAMS


@pytest.mark.parametrize("version", [*LEGACY, ""])
def test_an_older_client_names_its_version_in_a_header(version: str) -> None:
    headers = {"mcp-protocol-version": version} if version else {}
    message = {"jsonrpc": "2.0", "id": "a", "method": "tools/list"}
    request = read_request(headers, orjson.dumps(message))
    assert (request.version, request.is_modern) == (version or "2025-03-26", False)


def test_initialize_is_answered_whatever_version_it_asks_for() -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
    assert not read_request({"mcp-protocol-version": "1999-01-01"}, orjson.dumps(message)).is_modern


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"[]", -32600),
        (b"7", -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":1}}', -32602),
        (b"[" * 5000, -32600),
    ],
)
def test_what_is_no_request_is_refused_with_its_code(body: bytes, code: int) -> None:
    with pytest.raises(McpError) as caught:
        read_request({}, body)
    assert (caught.value.status, caught.value.code) == (400, code)


def test_a_notification_has_no_id() -> None:
    message = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert read_request({}, orjson.dumps(message)).is_notification


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(["jsonrpc", "id", "method", "params", "other"]), JSON, max_size=5
    ),
    st.dictionaries(st.sampled_from([*HEADERS]), st.text(max_size=30), max_size=3),
    st.dictionaries(st.sampled_from(["_meta", "name", "arguments", "uri"]), JSON, max_size=4),
)
def test_whatever_is_mutated_is_a_request_or_an_error_of_the_protocol(
    changes: dict[str, Any], headers: dict[str, str], params: dict[str, Any]
) -> None:
    message = modern()
    message["params"] |= params
    message |= changes
    found = outcome({**HEADERS, **headers}, message)
    if isinstance(found, McpError):
        assert found.status == 400
        assert found.request_id is None or found.request_id == message.get("id")
    else:
        assert found.method == message["method"]
