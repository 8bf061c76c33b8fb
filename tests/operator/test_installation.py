"""What `helm test` finds out about an installation."""

import asyncio
import ssl
import subprocess
import sys
from pathlib import Path

from aiohttp import web

from omnia_core.names import GROUP, VERSION
from omnia_operator.cluster.kinds import CUSTOM
from omnia_operator.installation import Installation, settled
from tests.discovery.given import web_server
from tests.runtime.grpc_server import certificate
from tests.services import LIMIT, free_port

KINDS = [kind.plural for kind in CUSTOM]


async def fault_of(folder: Path, *, ready: int = 200, kinds: list[str] = KINDS) -> str:
    """Return the fault of an installation with a real operator's Service and API server."""
    cert, key = certificate(folder, "ca")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(cert, key)
    (folder / "token").write_text("s3cret\n")

    async def operator(request: web.Request) -> web.Response:
        return web.Response(status=ready if request.path == "/readyz" else 404)

    async def api_server(request: web.Request) -> web.Response:
        if request.headers.get("authorization") != "Bearer s3cret":
            return web.Response(status=401)
        if request.path != f"/apis/{GROUP}/{VERSION}" or not kinds:
            return web.Response(status=404)
        return web.json_response({"resources": [{"name": kind} for kind in kinds]})

    async with web_server(operator) as url, web_server(api_server, tls) as api:
        installation = Installation(f"{url}/readyz", api, folder)
        return await asyncio.to_thread(installation.fault)


async def test_a_complete_installation_has_no_fault(tmp_path: Path) -> None:
    assert await fault_of(tmp_path) == ""


async def test_an_operator_that_is_not_ready_is_told(tmp_path: Path) -> None:
    fault = await fault_of(tmp_path, ready=503)
    assert fault.startswith("no operator is ready at http://127.0.0.1:")
    assert "503" in fault


async def test_kinds_that_are_not_served_are_named(tmp_path: Path) -> None:
    some = await fault_of(tmp_path, kinds=KINDS[2:])
    assert some.startswith(f"the API server does not serve {', '.join(sorted(KINDS[:2]))}:")
    none = await fault_of(tmp_path, kinds=[])
    assert "404" in none


async def test_a_server_that_is_something_else_is_told(tmp_path: Path) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>")

    (tmp_path / "token").write_text("s3cret")
    async with web_server(page) as url:
        installation = Installation(f"{url}/readyz", url, tmp_path)
        fault = await asyncio.to_thread(installation.fault)
    assert fault.startswith(f"the API server does not serve {GROUP}/{VERSION}: ")


def test_a_fault_that_passes_is_waited_for() -> None:
    faults = iter(["not ready", "not ready", ""])
    slept: list[float] = []
    assert settled(lambda: next(faults), sleep=slept.append, clock=lambda: sum(slept)) == ""
    assert len(slept) == 2


def test_a_fault_that_stays_is_told_in_the_end() -> None:
    slept: list[float] = []
    fault = settled(lambda: "not ready", limit=10, sleep=slept.append, clock=lambda: sum(slept))
    assert (fault, sum(slept)) == ("not ready", 10)


def test_the_program_asks_no_proxy_and_needs_its_url() -> None:
    command = [sys.executable, "-m", "omnia_operator.installation"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ")
    proxied = (
        "from omnia_operator.installation import Installation;"
        f"print(Installation('http://127.0.0.1:{free_port()}/readyz').fault())"
    )
    environ = {"HTTP_PROXY": "http://proxy.invalid:1", "http_proxy": "http://proxy.invalid:1"}
    done = subprocess.run(
        [sys.executable, "-c", proxied],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
        env=environ,
    )
    assert "Connection refused" in done.stdout
