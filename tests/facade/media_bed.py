"""A facade that takes uploads, and a client that says everything."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from omnia_core.env.shared import MediaStorageType
from omnia_core.files.auth import AuthFile, EdgeTrust
from tests.facade.auth_files import Mounted
from tests.facade.conftest import Running, running
from tests.facade.functions_bed import Answer
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime
from tests.facade.scripted_runtime import serving as serving_runtime

PICTURE = b"\x89PNG not really a picture"
SESSION = "0d9c5b0e-1f6e-4b2f-8f0e-3d1b1f6e4b2f"
PUBLIC = "https://agent.example.com/"


@contextlib.asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[Running]:
    """Serve uploads below a folder, for everybody, and into any session unless with a handler."""
    async with contextlib.AsyncExitStack() as stack:
        if "handler_mode" not in settings and "runtime_address" not in settings:
            port = await stack.enter_async_context(serving_runtime(ScriptedRuntime()))
            settings["runtime_address"] = f"127.0.0.1:{port}"
        yield await stack.enter_async_context(_facade(folder, settings))


def _facade(
    folder: Path, settings: dict[str, Any]
) -> contextlib.AbstractAsyncContextManager[Running]:
    given = {
        "media_storage_type": MediaStorageType.LOCAL,
        "media_storage_path": str(folder),
        "media_public_url": PUBLIC,
        **settings,
    }
    return running(**given)


@contextlib.asynccontextmanager
async def serving_users(root: Path, folder: Path, **settings: Any) -> AsyncIterator[Running]:
    """Serve uploads to whom a proxy names in the header `x-user-id`."""
    mounted = Mounted(root)
    mounted.rules(AuthFile(edge_trust=EdgeTrust(subject="x-user-id")))
    paths = {"auth_path": str(mounted.auth), "auth_secrets_path": str(mounted.secrets)}
    async with serving(folder, allow_unauthenticated=False, **paths, **settings) as facade:
        yield facade


class Caller:
    """A client; `user` is whom the proxy says it is."""

    def __init__(self, facade: Running, user: str = "") -> None:
        self._facade = facade
        self._headers = {"x-user-id": user} if user else {}

    async def ask(
        self, method: str, path: str, data: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request on a connection of its own."""
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT)) as session,
            session.request(
                method,
                self._facade.http + path,
                data=data,
                headers={**self._headers, **(headers or {})},
                skip_auto_headers=("Content-Type",),
            ) as response,
        ):
            return Answer(response.status, response.headers, await response.read())

    async def request(self, session: str = SESSION, **changes: Any) -> Answer:
        """Ask for a ticket."""
        body = {
            "session_id": session,
            "filename": "cat.png",
            "mime_type": "image/png",
            "size_bytes": len(PICTURE),
            **changes,
        }
        given = {name: value for name, value in body.items() if value is not None}
        return await self.ask(
            "POST",
            "/media/request-upload",
            orjson.dumps(given),
            {"Content-Type": "application/json"},
        )

    async def put(self, ticket: Mapping[str, Any], data: Any = PICTURE, **headers: str) -> Answer:
        """Send the bytes to where a ticket says."""
        path = "/" + ticket["upload_url"].removeprefix(PUBLIC)
        return await self.ask("PUT", path, data, headers)

    async def uploaded(self, data: bytes = PICTURE, **changes: Any) -> str:
        """Upload a file; return its reference."""
        ticket = (await self.request(size_bytes=len(data), **changes)).body
        assert (await self.put(ticket, data)).status == 204
        reference: str = ticket["storage_ref"]
        return reference

    async def download(self, reference: str, method: str = "GET", **headers: str) -> Answer:
        """Ask for the bytes of a file."""
        return await self.ask(method, f"/media/download/{ids(reference)}", headers=headers)

    async def info(self, reference: str) -> Answer:
        """Ask what is known of a file."""
        return await self.ask("GET", f"/media/info/{ids(reference)}")


def ids(reference: str) -> str:
    """Return session and media id as a path has them."""
    session, media = reference.removeprefix("omnia://sessions/").split("/media/")
    return f"{session}/{media}"
