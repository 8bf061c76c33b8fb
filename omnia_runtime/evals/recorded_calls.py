"""Tool calls of a backtest: they are answered from the recording, and no server is asked."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextvars import ContextVar

from msgspec import structs

from omnia_core.conversation.tools import ToolCall, ToolFailed, ToolResult
from omnia_core.jsonvalue import JsonObject, parse_json
from omnia_core.sessions import Message
from omnia_core.sessions.records import is_placeholder
from omnia_runtime.cassettes.described import arguments_text
from omnia_runtime.ports.tools import CallContext
from omnia_runtime.tools.coercion import coerce
from omnia_runtime.tools.recorded import answered
from omnia_runtime.tools.routes import ToolRoute


class RecordedCalls:
    """The tool calls of a recorded session.

    Attributes:
        calls: how many were made.
        unmatched: how many of them were not recorded in any form.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        self.calls = 0
        self.unmatched = 0
        self._recorded: dict[str, list[tuple[str, ToolResult]]] = defaultdict(list)
        asked: dict[str, ToolCall] = {}
        for message in messages:
            # Ids are unique in a turn; in a session they may not be.
            asked |= {call.id: call for call in message.tool_calls}
            call = asked.get(message.tool_call_id) if message.role == "tool" else None
            if call is not None and not is_placeholder(message):
                answer = ToolResult(message.content, message.is_error)
                self._recorded[call.name].append((call.arguments, answer))
        self._exact: dict[tuple[str, str], int] = defaultdict(int)
        self._called: dict[str, int] = defaultdict(int)

    def result(self, route: ToolRoute, arguments: JsonObject) -> ToolResult:
        """Return the recorded result of the same call, else of the k-th call of the same tool.

        Raises:
            ToolFailed: nothing is recorded.
        """
        name, text = route.spec.name, _text(arguments)
        self.calls += 1
        number = self._called[name]
        self._called[name] += 1
        recorded = self._recorded.get(name, [])
        same = [result for known, result in recorded if _as_called(route, known) == text]
        if same:
            place = min(self._exact[name, text], len(same) - 1)
            self._exact[name, text] += 1
            return same[place]
        if number < len(recorded):
            return recorded[number][1]
        self.unmatched += 1
        raise ToolFailed(f"not recorded: {name} with these arguments")


def _as_called(route: ToolRoute, recorded: str) -> str:
    """Return recorded arguments as the tool got them: fitted to its schema where they did not."""
    try:
        arguments = parse_json(recorded or "{}")
    except ValueError:
        return recorded
    if not isinstance(arguments, dict):
        return recorded
    if route.violations(arguments):
        arguments = coerce(route.spec.input_schema, arguments)
    return _text(arguments)


def _text(arguments: JsonObject) -> str:
    return arguments_text(json.dumps(arguments))


CALLS: ContextVar[RecordedCalls | None] = ContextVar("recorded_calls", default=None)
"""Those of the session that is asked again."""


async def _answer(route: ToolRoute, arguments: JsonObject, _context: CallContext) -> ToolResult:
    calls = CALLS.get()
    if calls is None:
        raise ToolFailed("not recorded")
    return calls.result(route, arguments)


def from_recording(routes: Mapping[str, ToolRoute]) -> Mapping[str, ToolRoute]:
    """Return the routes with the recording in the place of every server, and of the client."""
    served = {
        name: ToolRoute(route.source, structs.replace(route.spec, on_client=False), route.tool)
        for name, route in routes.items()
    }
    return answered(served, _answer)
