"""An agent whose provider is a local server that speaks OpenAI's chat completions."""

import asyncio
from pathlib import Path

import orjson
from websockets.asyncio.client import connect

from tests.end_to_end.conftest import LIMIT, Start
from tests.runtime.servers import USAGE, ChatServer, chunk, serving
from tests.services import free_port

AGENT = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: local-model
spec:
  facade:
    type: websocket
    port: {port}
  prompt:
    system: You speak like a sailor.
  provider:
    type: openai
    model: small
    baseURL: {url}/v1
"""
WORDS = ("Ahoy", ", ", "matey", "!")


async def test_an_agent_converses_through_the_server_that_its_base_url_names(
    start: Start, tmp_path: Path
) -> None:
    chunks = [chunk({"role": "assistant", "content": ""})]
    chunks += [chunk({"content": word}) for word in WORDS]
    chunks += [chunk({}, "stop"), chunk({}, usage=USAGE)]
    server = ChatServer(chunks)
    frames = []
    async with serving(server) as url:
        file = tmp_path / "agent.yaml"
        file.write_text(AGENT.format(port=free_port(), url=url))
        up = start(file)
        ready = await asyncio.to_thread(up.wait, "ready")
        async with connect(ready["url"]) as socket, asyncio.timeout(LIMIT):
            await socket.send('{"type": "message", "content": "hello"}')
            async for text in socket:
                frames.append(orjson.loads(text))
                if frames[-1]["type"] in ("done", "error"):
                    break

    said = [frame["content"] for frame in frames if frame["type"] == "chunk"]
    assert said == list(WORDS)
    assert frames[-1]["content"] == "".join(WORDS)
    assert frames[-1]["usage"]["output_tokens"] == USAGE["completion_tokens"]
    assert server.bodies[0]["messages"] == [
        {"role": "system", "content": "You speak like a sailor."},
        {"role": "user", "content": "hello"},
    ]
    assert server.bodies[0]["stream"] is True
