"""Two versions of a PromptPack in one agent of `omnia up`: a canary takes over while it runs."""

import asyncio
import time
from pathlib import Path

import orjson
from aiohttp import web
from websockets.asyncio.client import ClientConnection, connect

from omnia_core.files.placement import Placement, place
from tests.end_to_end.conftest import LIMIT, Start
from tests.runtime.servers import chunk, serving
from tests.services import free_port

AGENT = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata: {{name: helper}}
spec:
  promptPackRef: {{name: pack}}
  facade: {{type: websocket, port: {port}}}
  provider: {{type: openai, model: small, baseURL: "{url}/v1"}}
---
{first}
---
{second}
"""
VERSION = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: PromptPack
metadata: {{name: "pack-{major}"}}
spec:
  packName: pack
  version: {major}.0.0
  source: {{type: configmap, configMapRef: {{name: pack-{major}}}}}
  rollout: {rollout}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: pack-{major}}}
data:
  pack.json: '{content}'
"""


def version(major: int, rollout: str) -> str:
    prompt = {"id": "a", "name": "A", "version": "1.0.0", "system_template": f"{major}.0.0"}
    content = {
        "id": "pack",
        "name": "Pack",
        "version": f"{major}.0.0",
        "template_engine": {"version": "v1", "syntax": "{{variable}}"},
        "prompts": {"a": prompt},
    }
    return VERSION.format(major=major, rollout=rollout, content=orjson.dumps(content).decode())


async def tell_the_prompt(request: web.Request) -> web.StreamResponse:
    """Answer with the system prompt."""
    body = orjson.loads(await request.read())
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    text = body["messages"][0]["content"]
    for each in (chunk({"content": text}), chunk({}, "stop")):
        await response.write(b"data: " + orjson.dumps(each) + b"\n\n")
    await response.write(b"data: [DONE]\n\n")
    return response


async def ask(socket: ClientConnection) -> str:
    await socket.send('{"type": "message", "content": "Which version are you?"}')
    async for text in socket:
        frame = orjson.loads(text)
        if frame["type"] in ("done", "error"):
            return str(frame.get("content", frame))
    raise AssertionError("closed")


async def begin(url: str) -> tuple[str, str]:
    """Return the id of a new session, and the version that answers it."""
    async with asyncio.timeout(LIMIT), connect(url) as socket:
        connected = orjson.loads(await socket.recv())
        return connected["session_id"], await ask(socket)


async def test_a_canary_gets_its_part_and_then_all_new_sessions(
    start: Start, tmp_path: Path
) -> None:
    file, port = tmp_path / "agent.yaml", free_port()
    half = Placement("1.0.0", "2.0.0", 50)
    async with serving(tell_the_prompt) as url:

        def write(interval: str) -> None:
            rollout = f"{{type: canary, canary: {{weight: 50, interval: {interval}}}}}"
            first, second = version(1, "{}"), version(2, rollout)
            file.write_text(AGENT.format(port=port, url=url, first=first, second=second))

        write("1h")
        up = start(file)
        ready = await asyncio.to_thread(up.wait, "ready")
        began = [await begin(ready["url"]) for _ in range(30)]
        assert began == [(session, place(session, half)) for session, _ in began]
        assert {said for _, said in began} == {"1.0.0", "2.0.0"}
        assert "version 2.0.0 gets 50 % of new sessions" in up.errors.read_text()

        old = next(session for session, said in began if said == "1.0.0")
        write("200ms")
        deadline = time.monotonic() + LIMIT
        while "all new sessions get version 2.0.0" not in up.errors.read_text():
            assert time.monotonic() < deadline, up.errors.read_text()
            await begin(ready["url"])
        said = ""
        while said != "2.0.0":  # the runtime looks at its files a few times a second
            assert time.monotonic() < deadline
            session, said = await begin(ready["url"])
            said = said if place(session, half) == "1.0.0" else ""
        async with asyncio.timeout(LIMIT), connect(f"{ready['url']}?session_id={old}") as socket:
            assert await ask(socket) == "1.0.0"
