"""Tools of the client at the MCP door: a form for its user, answered in the next request.

MCP 2026-07-28, client/elicitation and basic/patterns: a call whose result is `input_required` is
sent again with the answers and the state. The state is the id of the run that waits; only the user
who began it finds it.
"""

from collections.abc import Sequence

from msgspec import Struct

from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_facade.backend.events import ClientToolResult, ToolCallEvent
from omnia_facade.doors.mcp.envelope import INVALID_PARAMS, McpError
from omnia_facade.doors.sse import any_json

RESULT = "result"
"""The member of the user's answer that is the result of the tool."""
_STATE = "requestState"
_RESPONSES = "inputResponses"
DECLINED = "the user did not execute the tool"


class Continuation(Struct, frozen=True):
    """A call that is sent again.

    Attributes:
        run_id: of the run that waits.
        results: of the tools that were asked for.
    """

    run_id: str
    results: list[ClientToolResult]


def continuation(params: JsonObject) -> Continuation | None:
    """Return what a repeated call brings; None for a new call.

    Raises:
        McpError: the answers have no known form.
    """
    state, responses = params.get(_STATE), params.get(_RESPONSES)
    if state is None and not responses:
        return None
    if not isinstance(state, str):
        raise unknown_state()
    if responses is None:
        responses = {}
    if not isinstance(responses, dict):
        raise McpError(400, INVALID_PARAMS, f"{_RESPONSES} must be an object")
    return Continuation(state, [_result(key, answer) for key, answer in responses.items()])


def input_required(run_id: str, calls: Sequence[ToolCallEvent]) -> JsonObject:
    """Return the result that asks the user to execute tools."""
    return {
        "resultType": "input_required",
        "inputRequests": {
            event.call.id: {"method": "elicitation/create", "params": _question(event)}
            for event in calls
        },
        _STATE: run_id,
    }


def unknown_state() -> McpError:
    """Return the error for a state that is not one of ours, or whose run has been forgotten."""
    return McpError(
        400,
        INVALID_PARAMS,
        f"{_STATE} names no call that waits for an answer; call without it and {_RESPONSES}",
    )


def _question(event: ToolCallEvent) -> JsonObject:
    call = event.call
    asked = f"Execute {call.name} with {json_bytes(any_json(call.arguments)).decode()}"
    return {
        "mode": "form",
        "message": f"{event.consent_message}\n{asked}" if event.consent_message else asked,
        "requestedSchema": {
            "type": "object",
            "properties": {
                RESULT: {
                    "type": "string",
                    "title": call.name,
                    "description": "The result, as text or JSON",
                }
            },
            "required": [RESULT],
        },
    }


def _result(call_id: str, answer: object) -> ClientToolResult:
    action = answer.get("action") if isinstance(answer, dict) else None
    if action not in ("accept", "decline", "cancel"):
        raise McpError(
            400,
            INVALID_PARAMS,
            f"{_RESPONSES}.{call_id[:64]}: expected an action accept, decline or cancel",
        )
    content = answer.get("content") if isinstance(answer, dict) else None
    if action != "accept" or not isinstance(content, dict) or RESULT not in content:
        return ClientToolResult(call_id, rejection=DECLINED)
    given = content[RESULT]
    value = any_json(given) if isinstance(given, str) else given
    return ClientToolResult(call_id, result_json=json_bytes(value).decode())
