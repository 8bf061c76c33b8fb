"""Names of tools: several handlers may use one, and the model is offered each under its own."""

from itertools import permutations

import pytest
from structlog.testing import capture_logs

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext
from omnia_runtime.tools.manager import MAX_RESULT_BYTES, ToolManager
from omnia_runtime.tools.routes import route_tools
from tests.runtime.scripted import metrics


class Named:
    """Tells which handler was called with which name."""

    timeout = 1.0

    def __init__(self, name: str, *tools: str) -> None:
        self.name = name
        self._tools = tools

    def specs(self) -> list[ToolSpec]:
        return [ToolSpec(each, "", {"type": "object"}) for each in self._tools]

    async def call(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        assert (arguments, context) == ({}, CallContext())
        return ToolResult(f"{self.name}:{tool}")


async def test_the_first_handler_keeps_a_name_and_the_other_gets_one_of_its_own() -> None:
    routes, problems = route_tools([Named("a", "search", "x"), Named("b", "search", "y")])
    manager = ToolManager(routes, routes, metrics())

    assert list(routes) == ["search", "x", "b__search", "y"]
    assert [(await manager.call(ToolCall("c", each))).content for each in routes] == [
        "a:search",
        "a:x",
        "b:search",
        "b:y",
    ]
    assert problems == [
        'tool "search" of handler "b" is offered as "b__search": handler "a" has this name'
    ]


@pytest.mark.parametrize(
    ("tool", "offered"),
    [
        ("issues/list", "crm__issues_list"),
        ("ein Wörterbuch", "crm__ein_W_rterbuch"),
        ("", "crm__"),
        ("x" * 65, None),
    ],
)
async def test_a_name_that_no_model_accepts_is_made_one(tool: str, offered: str | None) -> None:
    routes, (problem,) = route_tools([Named("crm", tool)])
    (name,) = routes
    assert offered in (None, name)
    assert len(name) <= 64
    assert "no model accepts" in problem
    result = await ToolManager(routes, routes, metrics()).call(ToolCall("c", name))
    assert result.content == f"crm:{tool}"


def test_a_made_name_takes_no_name_from_anyone() -> None:
    sources = [Named("a", "t"), Named("b", "t"), Named("c", "b__t"), Named("b", "t")]
    routes, _ = route_tools(sources)
    assert {name: (each.source.name, each.tool) for name, each in routes.items()} == {
        "t": ("a", "t"),
        "b__t": ("c", "b__t"),
        "b__t_2": ("b", "t"),
        "b__t_3": ("b", "t"),
    }


def test_names_are_the_same_whenever_the_handlers_are() -> None:
    handlers = [Named("a", "t", "u"), Named("b", "t", "v"), Named("c", "t", "u")]
    for order in permutations(handlers):
        first, again = route_tools(order)[0], route_tools(order)[0]
        assert list(first) == list(again)
        assert first["t"].source is order[0]
        assert len(first) == 6


async def test_a_tool_whose_schema_does_not_compile_stays_and_is_named_once() -> None:
    odd = {
        "type": "object",
        "properties": {
            "slug": {"type": "string", "pattern": r"^[\w-\.]+$"},
            "n": {"type": "integer"},
        },
    }
    broken = {"type": "object", "properties": {"p": {"$ref": "#/$defs/missing"}}}

    class Odd(Named):
        def specs(self) -> list[ToolSpec]:
            return [ToolSpec("odd", "", odd), ToolSpec("broken", "", broken)]

        async def call(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
            assert context == CallContext()
            return ToolResult(f"{tool} {sorted(arguments.items())}")

    routes, _ = route_tools([Odd("h")])
    manager = ToolManager(routes, routes, metrics())
    with capture_logs() as logs:
        for _ in range(2):
            result = await manager.call(ToolCall("c", "odd", '{"slug": "?", "n": "12"}'))
            assert result.content == "odd [('n', 12), ('slug', '?')]"
            result = await manager.call(ToolCall("c", "broken", '{"p": 1}'))
            assert result.content == "broken [('p', 1)]"
        assert (await manager.call(ToolCall("c", "odd", '{"n": "x"}'))).is_error
    named = [(log["tool"], log["handler"]) for log in logs if "does not compile" in log["event"]]
    assert named == [("odd", "h"), ("broken", "h")]


class Wordy(Named):
    """Returns as many characters as its tool is called."""

    async def call(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        await super().call(tool, arguments, context)
        return ToolResult("ä" * int(tool), is_error=True)


@pytest.mark.parametrize(("length", "limit"), [(5000, 1000), (9_900_000, 256_000)])
async def test_the_model_gets_the_beginning_of_a_long_result_and_is_told_so(
    length: int, limit: int
) -> None:
    routes, _ = route_tools([Wordy("a", str(length))])
    result = await ToolManager(routes, routes, metrics(), limit).call(ToolCall("c", str(length)))
    end = f"[The result was cut after {limit} of {length} characters."
    assert result.for_model.startswith("ä" * limit + f"\n{end}")
    assert len(result.for_model) < limit + 200
    # The client gets more of it.
    assert len(result.content.encode()) == min(2 * length, MAX_RESULT_BYTES) + (
        0
        if 2 * length <= MAX_RESULT_BYTES
        else len(f"\n... [cut: {2 * length} bytes, the limit is {MAX_RESULT_BYTES}]")
    )
    assert result.is_error


async def test_the_model_gets_the_whole_of_a_result_within_the_limit() -> None:
    routes, _ = route_tools([Wordy("a", "1000")])
    result = await ToolManager(routes, routes, metrics(), 1000).call(ToolCall("c", "1000"))
    assert (result.for_model, result.content, result.shortened) == ("ä" * 1000, "ä" * 1000, None)
