"""The span of a tool call."""

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.telemetry.tracing import Span, SpanKind, current_span, names

OPERATION = "execute_tool"


def tool_span(call: ToolCall, handler: str) -> Span:
    """Begin the span of a call, within the turn that it is made for."""
    turn = current_span()
    if not turn.recording:
        return turn.child(OPERATION, SpanKind.INTERNAL)
    span = turn.child(f"{OPERATION} {call.name}", SpanKind.INTERNAL)
    span.note(names.OPERATION, OPERATION)
    span.note(names.TOOL, call.name)
    span.note(names.TOOL_TYPE, "function")
    span.note(names.TOOL_CALL, call.id)
    span.note(names.OMNIA_TOOL_HANDLER, handler)
    if span.content:
        span.note(names.TOOL_ARGUMENTS, call.arguments)
    return span


def note_result(span: Span, result: ToolResult, status: str) -> None:
    """Note how a call ended; `status` is that of its metric."""
    span.note(names.OMNIA_TOOL_STATUS, status)
    if result.is_error:
        span.fail(status)
    if span.content:
        span.note(names.TOOL_RESULT, result.content)
