"""Turns through LiteLLM's proxy, which answers in three wire formats for a server of one."""

import contextlib
import os
import secrets
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from aiohttp import web
from msgspec import Struct

from omnia_core.conversation.usage import Usage
from omnia_runtime.ports.model import ProviderError
from tests.runtime.servers import chunk, serving
from tests.servers.conftest import Install
from tests.servers.model_turn import turn
from tests.services import free_port

pytestmark = pytest.mark.servers

START_SECONDS = 120.0
WIRES = ["chat", "messages", "responses"]
ASKED = {"order_id": "A-1"}


class Proxy(Struct, frozen=True):
    """A proxy that runs.

    Attributes:
        upstream: the port at which it expects the model server behind it.
    """

    url: str
    key: str
    upstream: int


@pytest.fixture(scope="module")
def proxy(from_pypi: Install, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    program = from_pypi("litellm/litellm")
    port, upstream = free_port(), free_port()
    running = Proxy(f"http://127.0.0.1:{port}", f"sk-{secrets.token_hex(24)}", upstream)
    folder = tmp_path_factory.mktemp("litellm")
    with _running(program, running, port, folder):
        yield running


@contextlib.contextmanager
def _running(program: str, proxy: Proxy, port: int, folder: Path) -> Iterator[None]:
    behind = {"api_base": f"http://127.0.0.1:{proxy.upstream}/v1", "api_key": "none"}
    models = {
        # Models of LM Studio are asked by chat completions for every wire format.
        "behind": {"model": "lm_studio/m", **behind},
        "mocked": {"model": "openai/m", "api_key": "none", "mock_response": "Hello from here."},
        "limited": {
            "model": "openai/m",
            "api_key": "none",
            "mock_response": "litellm.RateLimitError",
        },
    }
    listed = [{"model_name": name, "litellm_params": value} for name, value in models.items()]
    settings = {"model_list": listed, "litellm_settings": {"num_retries": 0, "telemetry": False}}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    env = {
        **os.environ,
        "LITELLM_MASTER_KEY": proxy.key,
        # Everything else that it would fetch from outside finds no way there.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "NO_PROXY": "127.0.0.1",
    }
    command = [program, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
        try:
            _wait(f"{proxy.url}/health/liveliness", process)
            yield
        finally:
            process.kill()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            assert process.poll() is None, "LiteLLM has ended"
            assert time.monotonic() < deadline, "LiteLLM does not answer"
            time.sleep(0.1)
        else:
            return


class Upstream:
    """A model that looks up an order by chat completions, and then says what is in it."""

    def __init__(self, *, cut: bool = False, status: int = 200) -> None:
        self.cut, self.status = cut, status
        self.bodies: list[dict[str, Any]] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return web.json_response({"object": "list", "data": []})
        self.bodies.append(orjson.loads(await request.read()))
        if self.status != web.HTTPOk.status_code:
            error = {"error": {"message": "the model is not loaded", "type": "server_error"}}
            return web.json_response(error, status=self.status)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for each in self._chunks():
            await response.write(b"data: " + orjson.dumps(each) + b"\n\n")
        if self.cut and request.transport:
            request.transport.abort()
            return response
        await response.write(b"data: [DONE]\n\n")
        return response

    def _chunks(self) -> list[dict[str, Any]]:
        if self.cut:
            return [chunk({"role": "assistant", "content": "It is "})]
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        if self.bodies[-1]["messages"][-1]["role"] == "tool":
            said = [chunk({"role": "assistant", "content": "An oak "}), chunk({"content": "desk."})]
            return [*said, chunk({}, "stop"), chunk({}, usage=usage)]
        call = {"index": 0, "id": "call_1", "type": "function"}
        function = {"name": "lookup_order", "arguments": ""}
        pieces = [
            {"index": 0, "function": {"arguments": text}} for text in ('{"order_id"', ': "A-1"}')
        ]
        return [
            chunk({"role": "assistant", "content": "Let me look."}),
            chunk({"tool_calls": [{**call, "function": function}]}),
            *(chunk({"tool_calls": [piece]}) for piece in pieces),
            chunk({}, "tool_calls"),
            chunk({}, usage=usage),
        ]


@pytest.mark.parametrize("wire", WIRES)
async def test_a_tool_is_called_and_its_result_goes_back(proxy: Proxy, wire: str) -> None:
    upstream = Upstream()
    async with serving(upstream, proxy.upstream):
        done = await turn(wire, proxy.url, "behind", key=proxy.key)
    assert done.finished.text == "An oak desk."
    assert done.finished.reason == "stop"
    assert done.finished.usage == Usage(200, 20)
    (call,) = done.calls
    assert (call.name, orjson.loads(call.arguments)) == ("lookup_order", ASKED)
    assert "".join(done.text) == "Let me look.An oak desk."
    first, second = upstream.bodies
    assert first["stream"] is True
    assert first["tools"][0]["function"]["name"] == "lookup_order"
    assert "oak desk" in str(second["messages"][-1]["content"])
    assert second["messages"][-1]["tool_call_id"] == second["messages"][-2]["tool_calls"][0]["id"]


@pytest.mark.parametrize("wire", ["chat", "messages"])
async def test_a_mocked_answer_arrives_whole(proxy: Proxy, wire: str) -> None:
    # In the format of Claude it is one JSON object, although a stream was asked for.
    done = await turn(wire, proxy.url, "mocked", key=proxy.key)
    assert done.finished.text == "Hello from here."
    assert done.finished.reason == "stop"
    assert done.finished.usage.input_tokens > 0
    assert done.finished.usage.output_tokens > 0


@pytest.mark.parametrize(
    ("wire", "model", "key", "words", "retryable"),
    [
        *((wire, "limited", "", "rate limit", True) for wire in ("chat", "messages")),
        # LiteLLM mocks no stream of the Responses API, and says so as a stream.
        ("responses", "mocked", "", r"status 500: Error processing stream start$", True),
        *((wire, "unknown", "", "Invalid model name", False) for wire in WIRES),
        # So it answers to an unknown key when it has no database of keys.
        *((wire, "mocked", "sk-unknown", "No connected db", False) for wire in WIRES),
    ],
)
async def test_a_refusal_keeps_its_reason(
    proxy: Proxy, wire: str, model: str, key: str, words: str, retryable: bool
) -> None:
    with pytest.raises(ProviderError, match=words) as failed:
        await turn(wire, proxy.url, model, key=key or proxy.key)
    assert failed.value.retryable is retryable


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("upstream", "words"),
    [
        (Upstream(status=500), "status 500: .*the model is not loaded"),
        (Upstream(cut=True), "broke off: .*Connection error"),
        (None, "status 500: .*Connection error"),
    ],
)
async def test_a_failure_behind_the_proxy_ends_the_turn_with_its_reason(
    proxy: Proxy, wire: str, upstream: Upstream | None, words: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        if upstream:
            await stack.enter_async_context(serving(upstream, proxy.upstream))
        with pytest.raises(ProviderError, match=words) as failed:
            await turn(wire, proxy.url, "behind", key=proxy.key)
    assert failed.value.retryable
