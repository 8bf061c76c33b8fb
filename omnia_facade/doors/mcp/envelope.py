"""The envelope of a request: JSON-RPC, the headers and `_meta`, and the era of the protocol.

Since 2026-07-28 every request names its version in `_meta` and repeats in headers what proxies
route by; before, a client negotiates a version once, with `initialize`.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, TypeAlias

from msgspec import Struct

from omnia_core.jsonvalue import JsonObject, TooDeep, parse_json

MODERN = ("2026-07-28",)
LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26")
VERSIONS = (*MODERN, *LEGACY)

# JSON-RPC 2.0, section 5.1.
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
# MCP 2026-07-28, basic/transports.
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022

META = "io.modelcontextprotocol/"
DISCOVER = "server/discover"
CALL = "tools/call"
_VERSION_HEADER = "mcp-protocol-version"
# The member of `params` that `Mcp-Name` repeats, by method.
_NAMED = {CALL: "name", "prompts/get": "name", "resources/read": "uri"}

RequestId: TypeAlias = str | int | float | None


class McpError(Exception):
    """A request is answered with a JSON-RPC error.

    Attributes:
        status: the HTTP status.
        code: the JSON-RPC code.
        data: what a program may read, if anything.
        request_id: the id of the request, once it is known.
    """

    def __init__(
        self, status: int, code: int, message: str, data: JsonObject | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.data = data
        self.request_id: RequestId = None


class McpRequest(Struct, frozen=True):
    """A request or a notification, which has no id.

    Attributes:
        version: the protocol version; of a modern request a member of `MODERN`.
        progress_token: names the progress notifications that the client asks for.
        traceparent: the span that the request continues; "" if it names none.
    """

    method: str
    id: RequestId
    params: JsonObject
    version: str
    is_notification: bool = False
    progress_token: str | int | None = None
    traceparent: str = ""

    @property
    def can_elicit(self) -> bool:
        """Whether the client can ask its user, and answer in the next request."""
        capabilities = self.params.get("_meta", {}).get(f"{META}clientCapabilities", {})
        return self.is_modern and isinstance(capabilities.get("elicitation"), dict)

    @property
    def is_modern(self) -> bool:
        """Whether the request names its version itself."""
        return self.version in MODERN


def read_request(headers: Mapping[str, str], body: bytes) -> McpRequest:
    """Parse and check a POST. `headers` have lower-case names.

    Raises:
        McpError: this is no request, or the protocol does not allow it.
    """
    message = _message(body)
    request_id = message.get("id")
    try:
        return _request(headers, message)
    except McpError as error:
        if isinstance(request_id, str | int) and not isinstance(request_id, bool):
            error.request_id = request_id
        raise


def _message(body: bytes) -> JsonObject:
    try:
        message = parse_json(body)
    except TooDeep as error:
        raise McpError(400, INVALID_REQUEST, f"the body is {error}") from error
    except ValueError as error:
        raise McpError(400, PARSE_ERROR, f"the body is {error}") from error
    if isinstance(message, list):
        raise McpError(400, INVALID_REQUEST, "the body is a batch; send one message in each POST")
    if not isinstance(message, dict):
        raise McpError(400, INVALID_REQUEST, "the body is no JSON-RPC message: expected an object")
    return message


def _request(headers: Mapping[str, str], message: JsonObject) -> McpRequest:
    method, params = message.get("method"), message.get("params", {})
    if message.get("jsonrpc") != "2.0" or not isinstance(method, str):
        raise McpError(
            400,
            INVALID_REQUEST,
            'the body is no JSON-RPC request: expected "jsonrpc": "2.0" and a method',
        )
    request_id: Any = message.get("id")
    is_notification = "id" not in message
    if not is_notification and (
        not isinstance(request_id, str | int | float) or isinstance(request_id, bool)
    ):
        raise McpError(400, INVALID_REQUEST, "the id of a request is a string or a number")
    if not isinstance(params, dict):
        raise McpError(400, INVALID_PARAMS, "params must be an object")
    meta = params.get("_meta", {})
    if not isinstance(meta, dict):
        raise McpError(400, INVALID_PARAMS, "params._meta must be an object")
    named = headers.get(_VERSION_HEADER, "").strip()
    if is_notification:
        version = _version_of_notification(named)
    elif method == DISCOVER or named in MODERN or any(key.startswith(META) for key in meta):
        version = _modern_version(headers, method, params, meta)
    else:
        version = _legacy_version(named, method)
    token = meta.get("progressToken")
    parent = meta.get("traceparent")
    return McpRequest(
        method,
        request_id,
        params,
        version,
        is_notification=is_notification,
        progress_token=token if isinstance(token, str | int) else None,
        traceparent=parent if isinstance(parent, str) else "",
    )


def _modern_version(
    headers: Mapping[str, str], method: str, params: JsonObject, meta: JsonObject
) -> str:
    """Check the envelope of 2026-07-28; return its version."""
    version = meta.get(f"{META}protocolVersion")
    capabilities = meta.get(f"{META}clientCapabilities")
    if not isinstance(version, str) or not isinstance(capabilities, dict):
        raise McpError(
            400,
            INVALID_PARAMS,
            f"params._meta needs {META}protocolVersion, a string, and {META}clientCapabilities,"
            " an object",
        )
    named = headers.get(_VERSION_HEADER, "").strip()
    if named != version:
        raise _mismatch("MCP-Protocol-Version", named, version)
    if version not in MODERN:
        raise _unsupported(version)
    if headers.get("mcp-method", "").strip() != method:
        raise _mismatch("Mcp-Method", headers.get("mcp-method", ""), method)
    member = _NAMED.get(method)
    if member and isinstance(expected := params.get(member), str):
        found = _decoded(headers.get("mcp-name", "").strip())
        if found != expected:
            raise _mismatch("Mcp-Name", found, expected)
    return version


def _legacy_version(named: str, method: str) -> str:
    if method == "initialize":
        # A client may name any version here, in the header too: the answer names one of ours.
        return LEGACY[0]
    if named and named not in LEGACY:
        raise _unsupported(named)
    # 2025-06-18, basic/transports: without the header it is 2025-03-26.
    return named or LEGACY[-1]


def _version_of_notification(named: str) -> str:
    if named and named not in VERSIONS:
        raise _unsupported(named)
    return named or LEGACY[-1]


def _unsupported(version: str) -> McpError:
    return McpError(
        400,
        UNSUPPORTED_VERSION,
        f'the protocol version "{version[:64]}" is not served; use one of {", ".join(VERSIONS)}',
        {"supported": [*VERSIONS], "requested": version},
    )


def _mismatch(header: str, found: str, expected: str) -> McpError:
    return McpError(
        400,
        HEADER_MISMATCH,
        f'the header {header} must repeat the body: expected "{expected[:64]}", found'
        f' "{found[:64]}"',
    )


def _decoded(value: str) -> str:
    """Return the text of a header value, which may be `=?base64?…?=`."""
    prefix, suffix = "=?base64?", "?="
    if not (value.startswith(prefix) and value.endswith(suffix)):
        return value
    try:
        return base64.b64decode(value[len(prefix) : -len(suffix)], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return value
