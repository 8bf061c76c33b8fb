"""One extra model call beside the answer: a short text, without tools."""

import asyncio
from contextlib import aclosing

from msgspec import structs

from omnia_core.errors import Code, OmniaError
from omnia_core.files.pack import Parameters
from omnia_core.sessions import Message
from omnia_runtime.ports.model import (
    ChatModel,
    ChatRequest,
    Finished,
    OutputSchema,
    ProviderError,
    TextDelta,
)

_TIMEOUT_SECONDS = 60.0
_TEMPERATURE = 0.2
_BAD_REQUEST = 400
# The longest text in characters; the answer of a model that ignores its limit is cut there.
_CHARACTERS_PER_TOKEN = 8


async def complete(
    model: ChatModel,
    what: str,
    system: str,
    content: str,
    max_tokens: int,
    *,
    temperature: float = _TEMPERATURE,
    output: OutputSchema | None = None,
    nonce: str = "",
) -> str:
    """Return the answer of a model to one message; `what` names it in errors.

    `nonce` is random text in the message, without a meaning.

    Raises:
        OmniaError: the model call failed, or its answer was empty.
        TimeoutError: the call took longer than a minute.
    """
    parameters = Parameters(temperature=temperature, max_tokens=max_tokens)
    prompt = (Message("user", content),)
    request = ChatRequest(system, prompt, parameters=parameters, output=output, nonce=nonce)
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        try:
            return await _call(model, what, request)
        except ProviderError as error:
            if error.status != _BAD_REQUEST:
                raise
        # Some models accept only their own temperature.
        parameters = Parameters(max_tokens=max_tokens)
        request = structs.replace(request, parameters=parameters)
        return await _call(model, what, request)


async def _call(model: ChatModel, what: str, request: ChatRequest) -> str:
    limit = (request.parameters.max_tokens or 0) * _CHARACTERS_PER_TOKEN
    pieces, length = [], 0
    async with aclosing(model.stream(request)) as stream:
        async for event in stream:
            match event:
                case TextDelta(text):
                    pieces.append(text)
                    length += len(text)
                    if length >= limit:
                        break
                case Finished(("safety" | "refusal") as reason):
                    raise OmniaError(Code.INTERNAL, f"the model made no {what}: {reason}")
                case _:
                    continue
    made = "".join(pieces)[:limit].strip()
    if not made:
        raise OmniaError(Code.INTERNAL, f"the model made no {what}: its answer was empty")
    return made
