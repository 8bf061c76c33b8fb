"""Mapping between tool calls and the messages of `omnia.tools.v1`."""

from collections.abc import Sequence

import grpc
import orjson

from omnia_core.conversation.tools import ToolResult
from omnia_core.files.tools import GRPCRetryPolicy
from omnia_core.jsonvalue import parse_json
from omnia_core.wire.tools.v1 import tools_pb2
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import ToolFailed, ToolRetry

_MAX_ERROR = 512
_MAX_TOOLS = 1000

_Code = grpc.StatusCode
_INVALID_ARGUMENTS = frozenset({_Code.INVALID_ARGUMENT, _Code.OUT_OF_RANGE})
_CREDENTIAL = frozenset({_Code.UNAUTHENTICATED, _Code.PERMISSION_DENIED})
_SERVER_FAULT = frozenset(
    {
        _Code.UNAVAILABLE,
        _Code.DEADLINE_EXCEEDED,
        _Code.INTERNAL,
        _Code.UNKNOWN,
        _Code.DATA_LOSS,
        _Code.RESOURCE_EXHAUSTED,
    }
)


def result_of(response: tools_pb2.ToolResponse) -> ToolResult:
    """Return a response as a result; text that is not JSON is wrapped into an object."""
    if not response.is_error:
        return ToolResult(_as_json(response.result_json))
    failed: dict[str, object] = {"error": response.error_message or "the tool failed"}
    if response.result_json:
        failed["result"] = orjson.Fragment(_as_json(response.result_json))
    return ToolResult(orjson.dumps(failed).decode(), is_error=True)


def specs_of(tools: Sequence[tools_pb2.ToolInfo]) -> tuple[list[ToolSpec], str]:
    """Return the tools that a server lists, and what is wrong with the ones that are left out."""
    specs, wrong = [], []
    for tool in tools[:_MAX_TOOLS]:
        try:
            schema = parse_json(tool.input_schema or '{"type": "object"}')
        except ValueError:
            schema = None
        if tool.name and isinstance(schema, dict):
            specs.append(ToolSpec(tool.name, tool.description, schema))
        else:
            wrong.append(tool.name or "(unnamed)")
    if len(tools) > _MAX_TOOLS:
        wrong.append(f"all after the first {_MAX_TOOLS}")
    if not wrong:
        return specs, ""
    names = ", ".join(wrong[:5])
    return specs, f"lists tools without a name or a JSON Schema, which are left out: {names}"


def problem_of(code: grpc.StatusCode, details: str, timeout: float) -> str:
    """Describe a status that is not OK, in words that follow the name of the server."""
    if _too_large(details):
        return "answered with a message that is too large"
    if code is _Code.UNAVAILABLE:
        return "cannot be reached: check that it runs and that its address and tls are correct"
    if code is _Code.DEADLINE_EXCEEDED:
        return f"did not answer within {timeout:g} s"
    if code in _CREDENTIAL:
        return f"refused the credential ({code.name}): correct auth or its Secret"
    if code is _Code.UNIMPLEMENTED:
        return "does not implement omnia.tools.v1 (UNIMPLEMENTED): correct its address or type"
    return f"answered {code.name}: {details[:_MAX_ERROR]}"


def error_of(name: str, error: grpc.aio.AioRpcError, timeout: float) -> ToolRetry | ToolFailed:
    """Return the error of a failed call for the model."""
    code, details = error.code(), error.details() or ""
    message = f'handler "{name}" {problem_of(code, details, timeout)}'
    if code in _INVALID_ARGUMENTS:
        return ToolRetry(message)
    return ToolFailed(message, server_fault=code in _SERVER_FAULT and not _too_large(details))


def retried_codes(policy: GRPCRetryPolicy) -> frozenset[grpc.StatusCode]:
    """Return the codes that a policy names, in any spelling.

    Raises:
        ValueError: a name is not a gRPC status code.
    """
    known = {_letters(code.name): code for code in _Code}
    for name in policy.retryable_status_codes:
        if _letters(name) not in known:
            codes = ", ".join(code.name for code in _Code if code is not _Code.OK)
            raise ValueError(
                "grpcConfig.retryPolicy.retryableStatusCodes: expected names of gRPC status codes"
                f' ({codes}), found "{name}"'
            )
    return frozenset(known[_letters(name)] for name in policy.retryable_status_codes)


def is_worth_retrying(error: grpc.aio.AioRpcError, codes: frozenset[grpc.StatusCode]) -> bool:
    """Whether another attempt may succeed; an answer that is too large stays too large."""
    return error.code() in codes and not _too_large(error.details() or "")


def _too_large(details: str) -> bool:
    # The text of gRPC, which has no separate status code for this.
    return "larger than max" in details


def _letters(name: str) -> str:
    return "".join(letter for letter in name.upper() if letter.isalpha())


def _as_json(text: str) -> str:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return orjson.dumps({"result": text}).decode()
    return text
