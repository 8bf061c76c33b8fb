"""The span of a tool call."""

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.telemetry.tracing import Span, SpanKind, current_span, names

OPERATION = "execute_tool"


def tool_span(call: ToolCall, handler: str) -> Span:
    """Start the span of a call, within the span of its turn."""
    turn = current_span()
    if not turn.recording:
        return turn.start_child(OPERATION, SpanKind.INTERNAL)
    span = turn.start_child(f"{OPERATION} {call.name}", SpanKind.INTERNAL)
    span.set_attribute(names.OPERATION, OPERATION)
    span.set_attribute(names.TOOL, call.name)
    span.set_attribute(names.TOOL_TYPE, "function")
    span.set_attribute(names.TOOL_CALL, call.id)
    span.set_attribute(names.OMNIA_TOOL_HANDLER, handler)
    if span.content:
        span.set_attribute(names.TOOL_ARGUMENTS, call.arguments)
    return span


def note_result(span: Span, result: ToolResult, status: str) -> None:
    """Set the result of a call; `status` is that of its metric."""
    span.set_attribute(names.OMNIA_TOOL_STATUS, status)
    if result.is_error:
        span.set_error(status)
    if span.content:
        span.set_attribute(names.TOOL_RESULT, result.content)
