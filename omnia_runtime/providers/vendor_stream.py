"""From the events of a vendor's answer to the events of a model."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

import msgspec

from omnia_runtime.ports.model import Finished, ModelEvent, TextDelta, ToolCallRequest
from omnia_runtime.providers.pricing import Prices
from omnia_runtime.providers.vendor_errors import VendorFailure
from omnia_runtime.providers.vendor_http import VendorHTTP

# Sends a request when it is entered, and gives the data of the events of each chunk.
Events: TypeAlias = AbstractAsyncContextManager[AsyncGenerator[list[bytes], None]]


class AnswerReader(Protocol):
    """Reads the events of one answer in a vendor's format."""

    @property
    def done(self) -> bool:
        """Whether the answer is complete, so that the rest of the stream need not be read."""

    @property
    def cache_writes(self) -> int:
        """The input tokens that were written to the vendor's cache."""

    def read(self, data: bytes) -> str:
        """Process the data of an event, and return the text in it.

        Raises:
            VendorFailure: the event is malformed, or reports an error.
        """

    def finish(self) -> list[ModelEvent]:
        """Return the events that remain when the stream has ended.

        Raises:
            VendorFailure: the stream ended before the answer did.
        """


async def stream_answer(
    http: VendorHTTP,
    prices: Prices,
    answer: AnswerReader,
    request: Callable[[], Events],
) -> AsyncGenerator[ModelEvent, None]:
    """Yield the events of one answer, the last of them with its price.

    Args:
        http: the calls of the provider, which name it in errors.
        prices: of the provider's model.
        answer: a new reader of the vendor's format.
        request: maps the request; may raise VendorFailure.

    Raises:
        ProviderError: the request is not accepted, or the answer broke off.
    """
    try:
        async with request() as chunks:
            async for chunk in chunks:
                for data in chunk:
                    text = answer.read(data)
                    if text:
                        yield TextDelta(text)
                if answer.done:
                    break
            for event in answer.finish():
                if isinstance(event, Finished):
                    usage = prices.priced(event.usage, answer.cache_writes)
                    yield msgspec.structs.replace(event, usage=usage)
                else:
                    yield event
    except VendorFailure as failure:
        raise http.error(failure.problem, status=failure.status, retry=failure.retry) from failure


def complete_calls(calls: Sequence[ToolCallRequest]) -> list[ToolCallRequest]:
    """Return the calls whose arguments are JSON; the token limit may have cut the last one."""
    return [call for call in calls if _is_json(call.arguments)]


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True
