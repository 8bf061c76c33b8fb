"""The mock provider: answers from a file, for tests and for agents without a key."""

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
from omnia_runtime.providers.mock.answer import Answer, choose_answer
from omnia_runtime.providers.mock.file import MockError, Responses
from omnia_runtime.providers.pricing import prices_of

_WORD = re.compile(r"\S*\s*", re.DOTALL)
_STATUS = {"rate_limit": 429, "overloaded": 529, "timeout": 504, "auth": 401, "invalid": 400}
_LEAST_INPUT, _LEAST_OUTPUT = 10, 20
_CHARACTERS_PER_TOKEN = 4


class MockModel:
    """A model that plays its response file."""

    def __init__(self, config: ProviderConfig, responses: Responses | None) -> None:
        self._responses = responses or Responses()
        self._builtin = f"Mock response from {config.name} model {config.model}"
        self._prices = prices_of(config)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        answer = choose_answer(self._responses, request, self._builtin)
        pace = answer.pace
        await asyncio.sleep((pace.latency_ms or 0) / 1000)
        pause = (pace.inter_chunk_ms or 0) / 1000
        # a failure without a text of its own fails at once
        if pace.error and not answer.text:
            raise _failure(pace.error)
        clock = asyncio.get_running_loop().time
        due = clock()
        for number, chunk in enumerate(split(answer.text, pace.chunk_size)):
            if pause and number:
                # from the beginning on, so that delays do not add up
                due += pause
                await asyncio.sleep(max(0.0, due - clock()))
            yield TextDelta(chunk)
        if pace.error:
            raise _failure(pace.error)
        for part in answer.parts:
            yield MediaProduced(part)
        for call in answer.calls:
            yield call
        usage = self._prices.priced(_usage(answer, request))
        yield Finished("tool_use" if answer.calls else "stop", usage)


def split(text: str, size: int | None) -> Iterator[str]:
    """Cut a text into words with their spaces, or into pieces of `size` characters."""
    if size and size > 0:
        yield from (text[start : start + size] for start in range(0, len(text), size))
    else:
        yield from (match[0] for match in _WORD.finditer(text) if match[0])


def _usage(answer: Answer, request: ChatRequest) -> Usage:
    asked = len(request.system) + sum(len(message.content) for message in request.messages)
    counted = Usage(
        max(asked // _CHARACTERS_PER_TOKEN, _LEAST_INPUT),
        max(len(answer.text) // _CHARACTERS_PER_TOKEN, _LEAST_OUTPUT),
    )
    claimed = answer.pace.usage
    if claimed is None:
        return counted
    return Usage(
        counted.input_tokens if claimed.input_tokens is None else claimed.input_tokens,
        counted.output_tokens if claimed.output_tokens is None else claimed.output_tokens,
    )


def _failure(error: MockError) -> ProviderError:
    status = error.status or _STATUS.get(error.kind, 0)
    retryable = error.kind == "connection" or is_retryable(status)
    message = error.message or f"the mock provider plays a failure: {error.kind or status}"
    return ProviderError(message, retryable=retryable, status=status, retry_after=error.retry_after)
