"""A turn of the agent with the model of a server that nobody here wrote."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.env import SecretStr
from omnia_core.files.pack import Parameters
from omnia_core.files.providers import OpenAISettings, ProviderConfig
from omnia_core.sessions import Message
from omnia_runtime.agent.loop import AgentLoop, TurnLimits
from omnia_runtime.agent.request_builder import ModelContext, RequestBuilder
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.listener import TurnFinished
from omnia_runtime.ports.model import ChatModel, ChatRequest, ToolSpec
from omnia_runtime.providers.claude.adapter import ClaudeModel
from omnia_runtime.providers.openai.adapter import OpenAIModel
from tests.runtime.scripted import Heard

LIMIT = 50.0
LOOKUP = ToolSpec(
    "lookup_order",
    "Look up an order.",
    {
        "type": "object",
        "properties": {"order_id": {"type": "string", "enum": ["A-1"]}},
        "required": ["order_id"],
    },
)


class Orders:
    """The one tool of these turns; it keeps what it was called with."""

    def __init__(self) -> None:
        self.calls: list[ToolCall] = []

    async def call(self, call: ToolCall) -> ToolResult:
        self.calls.append(call)
        return ToolResult('{"item":"oak desk"}')


class Turn(Struct, frozen=True):
    """What became of a turn.

    Attributes:
        text: as it was streamed, in pieces.
        transcript: the conversation after the turn.
    """

    finished: TurnFinished
    text: list[str]
    calls: list[ToolCall]
    transcript: list[Message]


def model_at(
    wire: str, url: str, key: str, model: str, vendor: str
) -> tuple[ChatModel, HTTPClient]:
    """Return a model by one of the wire formats: chat, responses or messages.

    Args:
        wire: the format.
        url: of the server.
        key: empty for a server without keys.
        model: its name at the server.
        vendor: the type of the provider for chat and responses.
    """
    client = HTTPClient()
    secret = SecretStr(key) if key else None
    if wire == "messages":
        config = ProviderConfig("p", "claude", model, base_url=url)
        return ClaudeModel(config, secret, "THE_KEY", client), client
    settings = OpenAISettings("responses") if wire == "responses" else OpenAISettings()
    config = ProviderConfig("p", vendor, model, base_url=f"{url}/v1", openai=settings)
    return OpenAIModel(config, secret, "THE_KEY", client), client


async def turn(
    wire: str,
    url: str,
    model: str,
    *,
    key: str = "",
    vendor: str = "openai",
    text: str = "What is in order A-1?",
    tools: Sequence[ToolSpec] = (LOOKUP,),
    max_tokens: int | None = None,
) -> Turn:
    """Run a turn to its end.

    Raises:
        ProviderError: the model cannot answer.
    """
    chat, client = model_at(wire, url, key, model, vendor)
    heard, orders = Heard(), Orders()
    transcript = [Message("user", text)]
    parameters = Parameters(max_tokens=max_tokens)
    request = ChatRequest("You help with orders.", transcript, tuple(tools), parameters=parameters)
    loop = AgentLoop(chat, orders, TurnLimits(), RequestBuilder(ModelContext(None), {}))
    try:
        async with asyncio.timeout(LIMIT):
            finished = await loop.run(request, transcript, heard)
    finally:
        await client.close()
    pieces = [event for event in heard.events if isinstance(event, str)]
    return Turn(finished, pieces, orders.calls, transcript)
