"""The page at `/`: who serves it, and what goes with it."""

import asyncio
import gzip
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from omnia_cli.hub.server import hub_page
from omnia_core.http.content import StaticContent
from omnia_core.names import Handler, Mode
from omnia_core.units import Duration
from omnia_facade.console.page import console_page
from tests.facade.conftest import connected, running
from tests.facade.functions_bed import FunctionRuntime, function_file
from tests.facade.scripted_runtime import ScriptedRuntime, serving

STRICT = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


async def fetch(url: str, method: str = "GET") -> tuple[int, dict[str, str], str]:
    async with aiohttp.ClientSession() as session, session.request(method, url) as answer:
        return answer.status, dict(answer.headers), await answer.text()


async def test_the_page_is_off_unless_it_is_asked_for() -> None:
    async with running(handler_mode=Handler.ECHO) as facade:
        status, _, body = await fetch(f"{facade.http}/")
    assert status == 404
    assert "<html" not in body


@pytest.mark.parametrize("mode", list(Mode))
async def test_the_page_needs_no_credential_and_has_strict_headers(
    mode: Mode, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"mode": mode, "console": True, "allow_unauthenticated": False}
    path = function_file(tmp_path)
    async with (
        serving(FunctionRuntime()) as port,
        running(runtime_address=f"127.0.0.1:{port}", function_path=path, **settings) as facade,
    ):
        status, headers, body = await fetch(f"{facade.http}/?any=query")
        of_head = await fetch(f"{facade.http}/", "HEAD")
        refused, _, why = await fetch(f"{facade.http}/elsewhere")
        posted, _, _ = await fetch(f"{facade.http}/", "POST")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert STRICT.items() <= headers.items()
    policy = headers["Content-Security-Policy"]
    assert {"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"} <= set(
        policy.split("; ")
    )
    assert "unsafe" not in policy
    assert body == console_page(mode, "agent").body.decode()
    assert of_head[0] == 200
    assert of_head[1]["Content-Length"] == headers["Content-Length"]
    assert of_head[2] == ""
    # Everything else is as it was without a page.
    assert refused == 401
    assert "unauthorized" in why
    assert posted == (401 if mode is Mode.AGENT else 405)


@pytest.mark.parametrize("mode", list(Mode))
def test_the_page_is_whole_and_has_nothing_from_elsewhere(mode: Mode) -> None:
    page = console_page(mode, 'a<b>&"c"')
    text = page.body.decode()
    assert "<title>a&lt;b&gt;&amp;&quot;c&quot; · Omnia</title>" in text
    assert "{{" not in re.sub(r"<script.*</script>", "", text, flags=re.DOTALL)
    style = re.findall(r"<style>(.*)</style>", text, flags=re.DOTALL)[0]
    script = re.findall(r'<script type="module">(.*)</script>', text, flags=re.DOTALL)[0]
    assert not re.search(r"@import|url\(", style)
    assert not re.search(r"\bimport\b\s*[\w{*(\"']", script)
    markup = text.replace(style, "").replace(script, "")
    addresses = re.findall(r'(?:src|href)="([^"]+)"', markup)
    assert [each for each in addresses if not each.startswith("data:")] == []


@pytest.mark.parametrize(
    ("page", "size", "compressed"),
    [
        (console_page(Mode.AGENT, "agent"), 160_000, 52_000),
        (console_page(Mode.FUNCTION, "agent"), 40_000, 16_000),
        # A tenth more: it is served to the machine that it is served on.
        (hub_page(), 176_000, 57_200),
    ],
    ids=["agent", "function", "hub"],
)
def test_the_pages_stay_within_their_budgets(
    page: StaticContent, size: int, compressed: int
) -> None:
    assert len(page.body) <= size
    assert len(page.compressed) <= compressed
    assert gzip.decompress(page.compressed) == page.body


@pytest.mark.parametrize("mode", list(Mode))
async def test_the_page_is_sent_compressed_to_who_accepts_that(mode: Mode, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"mode": mode, "console": True}
    page = console_page(mode, "agent")
    async with (
        serving(FunctionRuntime()) as port,
        running(
            runtime_address=f"127.0.0.1:{port}", function_path=function_file(tmp_path), **settings
        ) as facade,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        for accepted, coding in (("br, gzip;q=0.5", "gzip"), ("gzip;q=0", None), ("br", None)):
            headers = {"Accept-Encoding": accepted}
            async with session.get(f"{facade.http}/", headers=headers) as answer:
                assert answer.headers.get("Content-Encoding") == coding, accepted
                assert answer.headers["Vary"] == "Accept-Encoding"
                assert await answer.read() == (page.compressed if coding else page.body)


@pytest.mark.covers(
    "websocket.md#agent-described",
    "websocket.md#agent-unauthorized",
    "websocket.md#agent-without-console",
    "websocket.md#agent-method",
)
async def test_an_agent_says_what_it_is_for_to_who_may_talk_to_it() -> None:
    described: dict[str, Any] = {
        "agent_description": "Answers questions.",
        "agent_examples": "Where is it?\nWhy, and how much?",
        "console_hub": "http://127.0.0.1:8070/",
        "client_tool_timeout": Duration(90_000),
    }
    async with running(handler_mode=Handler.ECHO, console=True, **described) as facade:
        status, headers, body = await fetch(f"{facade.http}/api/agent")
        posted, _, refusal = await fetch(f"{facade.http}/api/agent", "POST")
    assert (status, posted) == (200, 405)
    assert orjson.loads(refusal)["error"] == "method_not_allowed"
    assert headers["Cache-Control"] == "no-store"
    assert orjson.loads(body) == {
        "name": "agent",
        "namespace": "default",
        "mode": "agent",
        "title": "Answers questions.",
        "examples": ["Where is it?", "Why, and how much?"],
        "hub": "http://127.0.0.1:8070/",
        "client_tool_seconds": 90,
        "doors": ["websocket", "chat", "openai", "agui"],
    }
    for trial in (False, True):
        async with (
            serving(ScriptedRuntime(can=("fork", "duplex_audio"))) as port,
            running(runtime_address=f"127.0.0.1:{port}", console=True, trial=trial) as facade,
        ):
            body = (await fetch(f"{facade.http}/api/agent"))[2]
        assert orjson.loads(body)["capabilities"] == ["fork", *(["trial"] if trial else [])]
    async with running(
        handler_mode=Handler.ECHO, console=True, allow_unauthenticated=False, **described
    ) as facade:
        status, _, body = await fetch(f"{facade.http}/api/agent")
    assert (status, orjson.loads(body)["error"]) == (401, "unauthorized")
    assert "Answers" not in body
    async with running(handler_mode=Handler.ECHO, **described) as facade:
        status, _, body = await fetch(f"{facade.http}/api/agent")
    assert (status, orjson.loads(body)["error"]) == (404, "not_found")


async def test_websockets_and_their_query_are_no_page() -> None:
    async with (
        running(handler_mode=Handler.ECHO, console=True) as facade,
        connected(facade.ws) as client,
    ):
        await client.say("hello")
        assert (await client.answer())[-1]["type"] == "done"


async def test_a_facade_that_ends_shows_no_page() -> None:
    runtime = ScriptedRuntime()
    drain = Duration(10_000)
    async with (
        serving(runtime) as port,
        running(runtime_address=f"127.0.0.1:{port}", console=True, drain_timeout=drain) as facade,
        connected(facade.ws) as client,
    ):
        await client.say("slow")
        await client.until("chunk")
        facade.stop.set()
        await asyncio.sleep(0)
        status, headers, _ = await fetch(f"{facade.http}/")
        await client.send("cancel")
        await client.until("done")
    assert status == 503
    assert headers["Retry-After"] == "1"


def test_an_agent_with_a_page_loads_no_http_server() -> None:
    script = (
        "import sys; from omnia_core.names import Mode; import omnia_facade.app;"
        "from omnia_facade.console.page import console_front_page;"
        "console_front_page(Mode.AGENT, 'a');"
        " print('aiohttp' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
    assert said.strip() == b"False"
