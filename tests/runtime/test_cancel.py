"""A cancelled turn stops the work that others do for it."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from tests.runtime.program import LIMIT, SHOW_TOOLS, Program, Stream, client, said
from tests.runtime.scripted import Mounted, http_tool
from tests.runtime.servers import ChatServer, chunk, serving

Start = Callable[..., Program]


async def test_a_cancel_reaches_the_provider_and_what_was_said_is_kept(
    mounted: Mounted, start: Start
) -> None:
    server = ChatServer([chunk({"content": "Hel"})], hold=True)
    async with serving(server) as url:
        mounted.write_provider(type="openai", baseURL=f"{url}/v1")
        start()
        async with client(mounted) as stub:
            stream = Stream(stub)
            await stream.send("hi")
            assert said([m for _ in range(2) if (m := await stream.read())]) == "Hel"
            await stream.send(cancel=True)
            end = (await stream.turn())[-1].done
            async with asyncio.timeout(LIMIT):
                await server.left.wait()
            server.hold = False
            server.chunks = [chunk({"content": "again"}), chunk({}, "stop")]
            await stream.ask("go on")
    assert (end.final_content, end.finish_reason) == ("Hel", "cancelled")
    assert [each["content"] for each in server.bodies[1]["messages"][1:]] == ["hi", "Hel", "go on"]


async def test_a_cancel_reaches_a_running_tool(mounted: Mounted, start: Start) -> None:
    began, left = asyncio.Event(), asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        began.set()
        while request.transport and not request.transport.is_closing():  # noqa: ASYNC110 - aiohttp signals it in no other way
            await asyncio.sleep(0.01)
        left.set()
        return web.Response()

    calls = {"tool_calls": [{"name": "lookup", "arguments": {}}]}
    mounted.write_responses({"scenarios": {"default": {"turns": {1: calls}}}})
    async with serving(hang) as url:
        mounted.write_tools(http_tool(url))
        start()
        async with client(mounted) as stub:
            stream = Stream(stub, SHOW_TOOLS)
            await stream.send("hi")
            async with asyncio.timeout(LIMIT):
                await began.wait()
                await stream.send(cancel=True)
                end = (await stream.turn())[-1].done
                await left.wait()
    assert end.finish_reason == "cancelled"
