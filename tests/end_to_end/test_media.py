"""A file that a client uploads as the how-to page says, and mentions to its agent."""

import asyncio
import base64
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect

from tests.contract.test_documents import ROOT, blocks
from tests.end_to_end.conftest import LIMIT, Answer, Start
from tests.runtime.servers import ChatServer, chunk, serving
from tests.services import free_port

PICTURE = b"\x89PNG not really a picture"
PAGE = ROOT / "docs" / "how-to" / "media.md"


def manifest(folder: Path, url: str) -> Path:
    """Write the agent of the page, with a model and a port that are there."""
    text = blocks(PAGE, "yaml")[0]
    for old, new in (
        ("port: 8080", f"port: {free_port()}"),
        (
            "    model: gpt-4o-mini\n    secretRef:\n      name: openai\n",
            f"    model: small\n    baseURL: {url}/v1\n",
        ),
    ):
        assert old in text
        text = text.replace(old, new)
    file = folder / "agent.yaml"
    file.write_text(text)
    return file


def upload(folder: Path, address: str, session: str) -> dict[str, Any]:
    """Run the commands of the page."""
    (folder / "cat.png").write_bytes(PICTURE)
    (script,) = blocks(PAGE, "sh")
    done = subprocess.run(
        ["sh", "-ec", script],
        cwd=folder,
        env={**os.environ, "AGENT": address, "SESSION": session},
        capture_output=True,
        check=True,
        timeout=LIMIT,
    )
    told: dict[str, Any] = orjson.loads(done.stdout)
    return told


async def receive(socket: ClientConnection, *types: str) -> dict[str, Any]:
    async with asyncio.timeout(LIMIT):
        while (frame := orjson.loads(await socket.recv()))["type"] not in types:
            pass
    found: dict[str, Any] = frame
    return found


async def test_a_picture_is_uploaded_as_the_page_says_and_reaches_the_model(
    start: Start, tmp_path: Path, curl: Callable[..., Answer]
) -> None:
    server = ChatServer([chunk({"content": "a cat"}), chunk({}, "stop")])
    async with serving(server) as url:
        up = start(manifest(tmp_path, url))
        ready = await asyncio.to_thread(up.wait, "ready")
        address = ready["url"].replace("ws://", "http://").removesuffix("/ws")
        async with connect(ready["url"]) as socket:
            session = (await receive(socket, "connected"))["session_id"]
            told = await asyncio.to_thread(upload, tmp_path, address, session)
            assert (told["filename"], told["size_bytes"]) == ("cat.png", len(PICTURE))
            media = {"storage_ref": told["storage_ref"], "mime_type": "image/png"}
            parts = [{"type": "text", "text": "what is it?"}, {"type": "image", "media": media}]
            await socket.send(orjson.dumps({"type": "message", "parts": parts}).decode())
            answer = await receive(socket, "done", "error")
        assert answer["content"] == "a cat"
        picture = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
        assert picture in str(server.bodies[0]["messages"][-1])

        # the folder outlives the processes
        os.kill(ready["pids"]["facade"], signal.SIGKILL)
        await asyncio.to_thread(up.wait, "ready")
        assert told["download_url"].startswith(address)
        info = told["download_url"].replace("/download/", "/info/")
        found = await asyncio.to_thread(curl, info)
    assert (found.status, found.body) == (200, told)
