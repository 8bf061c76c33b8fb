"""The mock provider as a chat model: answers from a file, for tests and agents without a key."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator

from omnia_core.conversation.usage import Usage
from omnia_core.files.providers import ProviderConfig
from omnia_runtime.ports.model import (
    ChatRequest,
    Finished,
    MediaProduced,
    ModelEvent,
    ProviderError,
    TextDelta,
    is_retryable,
)
from omnia_runtime.providers.mock.answer import MockAnswer, choose_answer
from omnia_runtime.providers.mock.response_file import MockError, MockResponses
from omnia_runtime.providers.pricing import prices_of

_WORD = re.compile(r"\S*\s*", re.DOTALL)
_STATUS = {"rate_limit": 429, "overloaded": 529, "timeout": 504, "auth": 401, "invalid": 400}
_LEAST_INPUT, _LEAST_OUTPUT = 10, 20
_CHARACTERS_PER_TOKEN = 4


class MockModel:
    """A model that answers from its response file."""

    def __init__(self, config: ProviderConfig, responses: MockResponses | None) -> None:
        self._responses = responses or MockResponses()
        self._builtin = f"Mock response from {config.name} model {config.model}"
        self._prices = prices_of(config)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        answer = choose_answer(self._responses, request, self._builtin)
        playback = answer.playback
        await asyncio.sleep((playback.latency_ms or 0) / 1000)
        pause = (playback.inter_chunk_ms or 0) / 1000
        # A failure without a text fails immediately.
        if playback.error and not answer.text:
            raise _failure(playback.error)
        clock = asyncio.get_running_loop().time
        due = clock()
        for number, chunk in enumerate(split(answer.text, playback.chunk_size)):
            if pause and number:
                # Counted from the beginning, so that delays do not add up.
                due += pause
                await asyncio.sleep(max(0.0, due - clock()))
            yield TextDelta(chunk)
        if playback.error:
            raise _failure(playback.error)
        for part in answer.parts:
            yield MediaProduced(part)
        for call in answer.calls:
            yield call
        usage = self._prices.priced(_usage(answer, request))
        yield Finished("tool_use" if answer.calls else "stop", usage)


def split(text: str, size: int | None) -> Iterator[str]:
    """Split a text into words with their spaces, or into chunks of `size` characters."""
    if size and size > 0:
        yield from (text[start : start + size] for start in range(0, len(text), size))
    else:
        yield from (match[0] for match in _WORD.finditer(text) if match[0])


def _usage(answer: MockAnswer, request: ChatRequest) -> Usage:
    length = len(request.system) + sum(len(message.content) for message in request.messages)
    counted = Usage(
        max(length // _CHARACTERS_PER_TOKEN, _LEAST_INPUT),
        max(len(answer.text) // _CHARACTERS_PER_TOKEN, _LEAST_OUTPUT),
    )
    claimed = answer.playback.usage
    if claimed is None:
        return counted
    return Usage(
        counted.input_tokens if claimed.input_tokens is None else claimed.input_tokens,
        counted.output_tokens if claimed.output_tokens is None else claimed.output_tokens,
    )


def _failure(error: MockError) -> ProviderError:
    status = error.status or _STATUS.get(error.kind, 0)
    retryable = error.kind == "connection" or is_retryable(status)
    message = error.message or f"the mock provider simulates a failure: {error.kind or status}"
    return ProviderError(message, retryable=retryable, status=status, retry_after=error.retry_after)
