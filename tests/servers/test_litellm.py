"""Turns through LiteLLM's proxy, which answers in three wire formats for a server of one."""

import contextlib
from typing import Any

import orjson
import pytest
from aiohttp import web

from omnia_core.conversation.usage import Usage
from omnia_runtime.ports.model import ProviderError
from tests.runtime.servers import chunk, serving
from tests.servers.litellm_proxy import Proxy
from tests.servers.model_turn import turn

pytestmark = pytest.mark.servers

WIRES = ["chat", "messages", "responses"]
ASKED = {"order_id": "A-1"}


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
