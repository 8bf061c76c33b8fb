"""Requests about sessions, to facades with and without an HTTP server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from yarl import URL

from tests.facade.conftest import Running, running
from tests.facade.media_bed import serving as serving_media
from tests.facade.media_bed import serving_users
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving


async def ask(
    facade: Running, path: str, method: str = "POST", data: bytes | None = None, **headers: str
) -> tuple[int, dict[str, object]]:
    """Send one request; return the status and the body."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT)) as session,
        session.request(
            method, URL(facade.http + path, encoded=True), data=data, headers=headers
        ) as response,
    ):
        body = await response.read()
        return response.status, orjson.loads(body) if body else {}


@asynccontextmanager
async def with_runtime(
    runtime: ScriptedRuntime, folder: Path | None = None, **settings: Any
) -> AsyncIterator[Running]:
    """Serve an agent; with a folder for uploads, its HTTP server is open from the start."""
    async with serving(runtime) as port:
        address = f"127.0.0.1:{port}"
        if folder is None:
            async with running(runtime_address=address, **settings) as facade:
                yield facade
        else:
            async with serving_media(folder, runtime_address=address, **settings) as facade:
                yield facade


@asynccontextmanager
async def authenticating(
    runtime: ScriptedRuntime, folder: Path
) -> AsyncIterator[tuple[Running, Running]]:
    """Serve an agent that requires a credential, with and without uploads."""
    (folder / "auth").mkdir()
    (folder / "media").mkdir()
    async with serving(runtime) as port:
        address = f"127.0.0.1:{port}"
        async with (
            serving_users(folder / "auth", folder / "media", runtime_address=address) as media,
            running(runtime_address=address, allow_unauthenticated=False) as plain,
        ):
            yield media, plain
