"""Tool handlers over reloads: what is unchanged stays connected, what is gone ends in peace."""

import asyncio
import gc
import weakref
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from omnia_core.errors import ConfigurationError
from omnia_runtime.tools.routes import route_tools
from tests.runtime.scripted import http_tool
from tests.runtime.servers import serving
from tests.runtime.tooling import LIMIT, called, opened
from tests.services import free_port

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "paths": {"/orders": {"get": {"operationId": "listOrders", "responses": {}}}},
}


def openapi(url: str, name: str = "shop", **config: Any) -> dict[str, Any]:
    """A handler of type openapi."""
    return {
        "name": name,
        "type": "openapi",
        "timeout": "5s",
        "openAPIConfig": {"specURL": f"{url}/openapi.json", **config},
    }


class Shop:
    """Serves its document and one operation.

    Attributes:
        fetched: how often the document was asked for.
        hold: when set, the operation waits for it, and sets `began`.
    """

    def __init__(self) -> None:
        self.fetched = 0
        self.began = asyncio.Event()
        self.hold: asyncio.Event | None = None

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/openapi.json":
            self.fetched += 1
            return web.Response(body=orjson.dumps(DOCUMENT), content_type="application/json")
        self.began.set()
        if self.hold:
            await self.hold.wait()
        return web.json_response({"path": request.path})


async def test_an_unchanged_handler_keeps_its_source_whatever_else_changes(
    tmp_path: Path,
) -> None:
    shop = Shop()
    async with serving(shop) as url, opened(tmp_path, openapi(url)) as tools:
        before = tools.sources.open(str(tools.path)).sources
        tools.write(http_tool(url, "extra"), openapi(url))
        after = tools.sources.open(str(tools.path)).sources
        assert before[0] is after[1]
        assert shop.fetched == 1
        assert tools.names == ["extra", "listOrders"]

        tools.write(openapi(url) | {"timeout": "6s"})
        await tools.until_offered("listOrders")
        assert tools.sources.open(str(tools.path)).sources[0] is not after[1]
        assert shop.fetched == 2


async def test_a_handler_that_comes_later_is_asked_at_once(tmp_path: Path) -> None:
    async with serving(Shop()) as url, opened(tmp_path) as tools:
        assert tools.names == []
        tools.write(openapi(url))
        assert tools.names == []
        await tools.until_offered("listOrders")
        assert not (await tools.call("listOrders")).is_error


async def test_a_turn_goes_on_with_the_handlers_it_began_with(tmp_path: Path) -> None:
    shop = Shop()
    async with serving(shop) as url, opened(tmp_path, openapi(url)) as tools:
        manager = tools.manager()
        shop.hold = asyncio.Event()
        running = asyncio.create_task(called(manager, "listOrders"))
        await shop.began.wait()
        tools.write()
        assert tools.names == []
        gc.collect()
        shop.hold.set()
        assert not (await running).is_error
        assert not (await called(manager, "listOrders")).is_error


def asking() -> list[asyncio.Task[Any]]:
    """The background tasks that ask for tools."""
    return [each for each in asyncio.all_tasks() if each.get_name() == "tools of shop"]


async def test_a_handler_that_is_gone_is_closed_when_no_turn_holds_it(tmp_path: Path) -> None:
    async with serving(Shop()) as url, opened(tmp_path, openapi(url)) as tools:
        manager = tools.manager()
        (source,) = [weakref.ref(each) for each in tools.sources.open(str(tools.path)).sources]
        tools.write()
        tools.sources.open(str(tools.path))
        gc.collect()
        assert source() is not None
        (task,) = asking()
        del manager
        gc.collect()
        assert source() is None
        await asyncio.wait([task], timeout=LIMIT)
        assert task.cancelled()


async def test_closing_ends_every_background_task(tmp_path: Path) -> None:
    async with serving(Shop()) as url:
        async with opened(tmp_path, openapi(url)):
            assert len(asking()) == 1
        assert asking() == []


async def test_a_file_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    async with serving(Shop()) as url, opened(tmp_path, openapi(url)) as tools:
        before = tools.sources.open(str(tools.path)).sources
        tools.path.write_text("handlers: {")
        with pytest.raises(ConfigurationError, match=r"tools\.yaml"):
            tools.sources.open(str(tools.path))
        tools.write(openapi(url))
        assert tools.sources.open(str(tools.path)).sources == before


async def test_one_handler_that_is_away_or_wrong_touches_no_other(tmp_path: Path) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    async with serving(Shop()) as url:
        handlers = [
            openapi(dead, "dead"),
            openapi("ftp://x", "odd"),
            {"name": "nothing", "type": "openapi"},
            {"name": "soap", "type": "soap"},
            http_tool(url, "lookup") | {"auth": {"type": "workloadIdentity", "path": "/x"}},
            openapi(f"{url}/elsewhere", "wrong"),
            openapi(url),
            http_tool(url, "lookup") | {"name": "good"},
            http_tool(url, "again") | {"name": "good"},
        ]
        async with opened(tmp_path, *handlers) as tools:
            assert tools.names == ["listOrders", "lookup"]
            assert not (await tools.call("listOrders")).is_error
            assert not (await tools.call("lookup")).is_error
            problems = tools.problems.splitlines()
    for name in ("dead", "odd", "nothing", "soap", "lookup-handler", "wrong", "good"):
        assert [each for each in problems if f'"{name}"' in each], name
    assert len(problems) == 7


async def test_waiting_for_a_slow_server_is_bounded(tmp_path: Path) -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(never) as slow, serving(Shop()) as url, opened(tmp_path) as tools:
        tools.write(openapi(slow, "slow"), openapi(url))
        tools.sources.open(str(tools.path))
        await tools.sources.settled(0.02, 0.01)
        await tools.until_offered("listOrders")
        assert route_tools(tools.sources.open(str(tools.path)).sources)[1] == []


async def test_a_late_answer_is_waited_for_and_a_server_that_refuses_delays_no_other(
    tmp_path: Path,
) -> None:
    asked, released = asyncio.Event(), asyncio.Event()

    async def late(_: web.Request) -> web.StreamResponse:
        asked.set()
        await released.wait()
        return web.json_response(DOCUMENT)

    dead = openapi(f"http://127.0.0.1:{free_port()}", "dead")
    async with serving(late) as slow, opened(tmp_path) as tools, asyncio.timeout(LIMIT):
        tools.write(dead, openapi(slow, "slow") | {"timeout": f"{LIMIT:.0f}s"})
        tools.sources.open(str(tools.path))
        waiting = asyncio.create_task(tools.sources.settled(LIMIT, retry=0))
        await asked.wait()
        while "dead" not in tools.problems:  # noqa: ASYNC110 - a problem is announced by nobody
            await asyncio.sleep(0.01)
        assert not waiting.done()
        released.set()
        await waiting
        assert tools.names == ["listOrders"]


async def test_a_server_that_fails_at_first_is_asked_again_before_the_first_turn(
    tmp_path: Path,
) -> None:
    answers = 0

    async def starting(_: web.Request) -> web.StreamResponse:
        nonlocal answers
        answers += 1
        return web.Response(status=503) if answers == 1 else web.json_response(DOCUMENT)

    async with serving(starting) as url, opened(tmp_path) as tools:
        tools.write(openapi(url))
        tools.sources.open(str(tools.path))
        await tools.sources.settled(LIMIT, retry=LIMIT)
        assert (tools.names, answers) == (["listOrders"], 2)


async def test_a_server_that_keeps_refusing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    dead = openapi(f"http://127.0.0.1:{free_port()}", "dead")
    async with opened(tmp_path) as tools, asyncio.timeout(LIMIT):
        tools.write(dead)
        tools.sources.open(str(tools.path))
        await tools.sources.settled(2 * LIMIT, retry=0.01)
        assert '"dead"' in tools.problems
