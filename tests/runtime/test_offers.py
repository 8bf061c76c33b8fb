"""What a model is offered, as the vendor sees it."""

from collections.abc import Callable
from typing import Any

import orjson

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.runtime.program import Program, Stream, client
from tests.runtime.scripted import Mounted, http_tool, pack
from tests.runtime.servers import ChatServer, call_piece, chunk, serving

Start = Callable[..., Program]


def handler(name: str, tool: str, **fields: Any) -> dict[str, Any]:
    return {**http_tool("http://127.0.0.1:9/", tool), "name": name, **fields}


async def offered(mounted: Mounted, start: Start) -> list[str]:
    """Ask once, and return the names of the tools in the request."""
    server = ChatServer([chunk({"content": "ok"}), chunk({}, "stop")])
    async with serving(server) as url:
        mounted.write_provider(type="openai", baseURL=f"{url}/v1")
        start()
        async with client(mounted) as stub:
            await Stream(stub).ask("hi")
    return [tool["function"]["name"] for tool in server.bodies[0].get("tools", [])]


async def test_a_blocked_tool_is_offered_under_no_name(mounted: Mounted, start: Start) -> None:
    mounted.write_tools(handler("a", "drop"), handler("b", "drop"), handler("c", "keep"))
    mounted.write_pack(pack(tool_policy={"blocklist": ["drop"]}))
    assert await offered(mounted, start) == ["keep"]


async def test_tools_with_one_name_are_both_offered(mounted: Mounted, start: Start) -> None:
    mounted.write_tools(handler("a", "search"), handler("b", "search"))
    assert await offered(mounted, start) == ["b__search", "search"]


async def test_a_client_tool_that_the_pack_describes_stays_the_clients(
    mounted: Mounted, start: Start
) -> None:
    tool = {"name": "locate", "description": "where", "parameters": {"type": "object"}}
    mounted.write_pack(pack(pack_tools={"locate": tool | {"parameters": PARAMETERS}}))
    mounted.write_tools(
        {
            "name": "browser",
            "type": "client",
            "tool": {"name": "locate", "description": "", "inputSchema": {"type": "object"}},
        }
    )
    asks = [chunk(call_piece(0, id="c1", name="locate", arguments="{}")), chunk({}, "tool_calls")]
    server = ChatServer(asks)
    async with serving(server) as url:
        mounted.write_provider(type="openai", baseURL=f"{url}/v1")
        start()
        async with client(mounted) as stub:
            stream = Stream(stub)
            await stream.read()
            await stream.send("where am I?")
            message = await stream.read()
            assert message is not None
            assert message.tool_call.execution == pb.TOOL_EXECUTION_CLIENT
            server.chunks = [chunk({"content": "Bern"}), chunk({}, "stop")]
            answer = pb.ClientToolResult(call_id="c1", result_json='"Bern"')
            await stream.send(client_tool_result=answer)
            assert (await stream.turn())[-1].done.final_content == "Bern"
    described = server.bodies[0]["tools"][0]["function"]
    assert (described["description"], orjson.dumps(described["parameters"])) == (
        "where",
        orjson.dumps(PARAMETERS),
    )


PARAMETERS = {"type": "object", "properties": {"exact": {"type": "boolean"}}}
