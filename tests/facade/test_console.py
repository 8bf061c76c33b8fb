"""The page at `/`: who serves it, and what goes with it."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

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
    assert "{{" not in text
    outside = set(
        re.findall(r"""(?:src|href|url\(|@import|import)\s*[=("']+\s*([^"')\s]+)""", text)
    )
    assert {each for each in outside if not each.startswith(("#", "data:"))} == set()


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
