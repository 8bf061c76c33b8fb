"""Turns with the server of llama.cpp, whose model says random words."""

from collections.abc import Iterator

import aiohttp
import orjson
import pytest
from aiohttp import web

from omnia_core.conversation.usage import Usage
from omnia_runtime.ports.model import ProviderError
from tests.runtime.servers import serving
from tests.servers.litellm_proxy import Proxy
from tests.servers.llama_server import Llama
from tests.servers.model_turn import LOOKUP, turn

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def server(llama: Llama) -> Iterator[str]:
    with llama.serve() as url:
        yield url


class Forced:
    """Passes requests on, and makes the server call the tool as long as there was no call.

    An agent does not name a tool that the model must call, and a model of random weights calls none
    by itself.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        if body["messages"][-1]["role"] == "user":
            body["tool_choice"] = {"type": "function", "function": {"name": LOOKUP.name}}
        async with (
            aiohttp.ClientSession() as client,
            client.post(f"{self._url}{request.path}", json=body) as answer,
        ):
            response = web.StreamResponse(
                status=answer.status, headers={"Content-Type": answer.content_type}
            )
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            return response


async def test_an_answer_is_streamed_until_its_limit(server: str) -> None:
    done = await turn("chat", server, "tiny", max_tokens=12)
    assert len(done.text) == 12
    assert done.finished.text == "".join(done.text)
    assert done.finished.reason == "max_output_tokens"
    # The server counts no tokens in a stream.
    assert done.finished.usage == Usage()


async def test_a_tool_is_called_and_its_result_goes_back(server: str) -> None:
    async with serving(Forced(server)) as url:
        done = await turn("chat", url, "tiny", vendor="vllm", max_tokens=60)
    (call,) = done.calls
    assert (call.name, orjson.loads(call.arguments)) == (LOOKUP.name, {"order_id": "A-1"})
    assert [message.role for message in done.transcript] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert done.finished.text
    assert done.finished.reason == "max_output_tokens"


async def test_a_format_that_lets_the_model_choose_ends_as_an_answer(llama: Llama) -> None:
    with llama.serve("chatml-function-calling") as url:
        done = await turn("chat", url, "tiny", max_tokens=12)
    # The server streams the words that its grammar made the model say, and forgets the call.
    assert done.calls == []
    assert done.finished.reason == "stop"


async def test_a_call_in_the_history_is_refused_with_the_reason(server: str) -> None:
    # A provider of the type openai sends the content null with a call; this server wants a text.
    async with serving(Forced(server)) as url:
        with pytest.raises(ProviderError, match="validation errors") as failed:
            await turn("chat", url, "tiny", max_tokens=60)
    assert "'assistant'" in str(failed.value)


async def test_a_conversation_that_is_too_long_ends_the_turn_with_an_error(server: str) -> None:
    # The server has sent the status 200 before it finds out.
    with pytest.raises(ProviderError, match="ended its stream before its answer: no byte"):
        await turn("chat", server, "tiny", text="boat " * 2000, max_tokens=12)


@pytest.mark.parametrize("wire", ["messages", "responses"])
async def test_a_route_that_the_server_lacks_is_named(server: str, wire: str) -> None:
    with pytest.raises(ProviderError, match="answered with status 404: Not Found") as failed:
        await turn(wire, server, "tiny", max_tokens=12)
    assert not failed.value.retryable


# In the format of Claude, LiteLLM passes the system prompt on as a list, which this server refuses.
@pytest.mark.parametrize("wire", ["chat", "responses"])
async def test_litellm_in_front_answers_in_each_format(
    llama: Llama, proxy: Proxy, wire: str
) -> None:
    with llama.serve(port=proxy.upstream):
        done = await turn(wire, proxy.url, "behind", key=proxy.key, max_tokens=12)
    assert done.finished.text
    assert done.finished.reason == "max_output_tokens"
    # LiteLLM counts them itself.
    assert done.finished.usage.output_tokens > 0
