"""How often a tool may be called in a minute."""

from collections.abc import Callable

import orjson

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext
from omnia_runtime.tools.manager import ToolManager
from omnia_runtime.tools.routes import route_tools
from omnia_runtime.turns.agent_version import BoundTools, CallRate
from omnia_runtime.turns.turn import Caller
from tests.runtime.program import Program, Stream, client, said
from tests.runtime.scripted import Mounted, metrics, pack

Start = Callable[..., Program]


class Contexts:
    """Two tools that note for whom they are called."""

    name = "contexts"
    timeout = 1.0

    def __init__(self) -> None:
        self.seen: list[CallContext] = []

    def specs(self) -> list[ToolSpec]:
        return [ToolSpec(each, "", {"type": "object"}) for each in ("a", "b")]

    async def call(
        self,
        tool: str,
        arguments: JsonObject,  # noqa: ARG002 - of no use here
        context: CallContext,
    ) -> ToolResult:
        self.seen.append(context)
        return ToolResult(f'"{tool}"')


def test_a_tool_may_be_called_so_often_in_any_minute() -> None:
    now = 1000.0
    rate = CallRate(2, lambda: now)
    assert [rate.admit("a"), rate.admit("a")] == [0, 0]
    now = 1020.0
    assert rate.admit("a") == 40
    assert rate.admit("b") == 0
    now = 1060.0
    assert rate.admit("a") == 0
    assert CallRate(0, lambda: now).admit("a") == 60


async def test_a_call_beyond_the_rate_is_a_result_that_says_when() -> None:
    source = Contexts()
    routes, _ = route_tools([source])
    manager = ToolManager(routes, routes, metrics())
    tools = BoundTools(manager, CallRate(1), "s1", Caller({"x-omnia-user-id": "u"}))
    other = BoundTools(manager, CallRate(1), "s2", Caller())
    assert (await tools.call(ToolCall("1", "a"))).content == '"a"'
    refused = await tools.call(ToolCall("2", "a"))
    assert refused.is_error
    assert "may be called 1 times a minute; the next call" in orjson.loads(refused.content)["error"]
    assert not (await other.call(ToolCall("3", "a"))).is_error
    first = source.seen[0]
    assert (first.call_id, first.session_id, first.metadata) == (
        "1",
        "s1",
        {"x-omnia-user-id": "u"},
    )


async def test_the_rate_holds_over_the_sessions_of_a_pod(mounted: Mounted, start: Start) -> None:
    mounted.write_pack(pack(tool_policy={"max_calls_per_minute": 1}))
    script = [
        {"when": "tool_result", "content": "{{tool_result.error}}"},
        {"contains": "go", "tool_calls": [{"name": "lookup"}]},
    ]
    mounted.write_responses({"matches": script})
    start()
    async with client(mounted) as stub:
        first = said(await Stream(stub).ask("go", "one"))
        second = said(await Stream(stub).ask("go", "two"))
    # nothing executes the tool here; what matters is who is told so
    assert "there is no tool" in first
    assert "may be called 1 times a minute" in second
