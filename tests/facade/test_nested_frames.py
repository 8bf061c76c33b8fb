"""Frames to the client around JSON that others wrote."""

import orjson
import pytest

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.jsonvalue import MAX_DEPTH
from omnia_facade.backend.events import ToolCallEvent, ToolResultEvent
from omnia_facade.ws import frames


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("levels", [1, MAX_DEPTH, MAX_DEPTH + 1, 900, 100_000])
def test_json_of_a_tool_is_a_value_up_to_the_largest_depth_and_text_beyond_it(levels: int) -> None:
    text = nested(levels)
    result = orjson.loads(frames.tool_result("s", ToolResultEvent("c", ToolResult(text))))
    call = orjson.loads(frames.tool_call("s", ToolCallEvent(ToolCall("c", "t", text))))
    expected = orjson.loads(text) if levels <= MAX_DEPTH else text
    assert result["tool_result"]["result"] == expected
    assert call["tool_call"]["arguments"] == expected
