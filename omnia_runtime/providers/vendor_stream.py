"""From the events of a vendor's answer to the events of a model."""

import json
import secrets
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Protocol, TypeAlias

import msgspec
import structlog

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_runtime.ports.model import (
    Finished,
    ModelEvent,
    ProviderError,
    TextDelta,
    ToolCallRequest,
)
from omnia_runtime.providers.answer_size import (
    MAX_TEXT,
    TEXT_PIECE,
    AnswerSize,
    AnswerTooLong,
    text_too_long,
)
from omnia_runtime.providers.pricing import Prices
from omnia_runtime.providers.vendor_errors import VendorFailure
from omnia_runtime.providers.vendor_http import VendorHTTP

_log = structlog.get_logger()

# Sends a request when it is entered, and gives the data of the events of each chunk.
Events: TypeAlias = AbstractAsyncContextManager[AsyncGenerator[list[bytes], None]]


class AnswerReader(Protocol):
    """Reads the events of one answer in a vendor's format."""

    @property
    def size(self) -> AnswerSize:
        """What was read so far; `read` adds everything except the text that it returns."""

    @property
    def done(self) -> bool:
        """Whether the answer is complete, so that the rest of the stream need not be read."""

    @property
    def complete(self) -> bool:
        """Whether the end of the answer was read, so that nothing that follows can cost it."""

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
    request: Callable[[AnswerSize], Events],
) -> AsyncGenerator[ModelEvent, None]:
    """Yield the events of one answer, the last of them with its price.

    Of a text that is too long, all up to the limit is yielded.

    Args:
        http: the calls of the provider, which name it in errors.
        prices: of the provider's model.
        answer: a new reader of the vendor's format.
        request: maps the request, and is given the size of the answer, whose growth tells
            progress from heartbeats; may raise VendorFailure.

    Raises:
        ProviderError: the request is not accepted, or the answer broke off.
    """
    with _as_provider_errors(http):
        size, left = answer.size, MAX_TEXT
        async with request(size) as chunks:
            with _unless_complete(answer):
                async for chunk in chunks:
                    for data in chunk:
                        if text := answer.read(data):
                            length = len(text)
                            size.total += length
                            left -= length + TEXT_PIECE
                            if left < 0:
                                if text := text[:left]:
                                    yield TextDelta(text)
                                raise text_too_long()
                            yield TextDelta(text)
                        if answer.done:
                            break
                    if answer.done:
                        break
            for event in _ending(answer, prices):
                yield event


@contextmanager
def _unless_complete(answer: AnswerReader) -> Iterator[None]:
    """Ignore what follows the end of an answer, unless it makes the answer too long."""
    try:
        yield
    except VendorFailure as failure:
        if not answer.complete or isinstance(failure, AnswerTooLong):
            raise


def _ending(answer: AnswerReader, prices: Prices) -> Iterator[ModelEvent]:
    for event in answer.finish():
        if isinstance(event, Finished):
            usage = prices.priced(event.usage, answer.cache_writes)
            yield msgspec.structs.replace(event, usage=usage)
        else:
            yield event


@contextmanager
def _as_provider_errors(http: VendorHTTP) -> Iterator[None]:
    """Raise every failure as a ProviderError: retries and fallback act on no other error."""
    try:
        yield
    except VendorFailure as failure:
        raise http.error(
            failure.problem, status=failure.status, retry=failure.retry, attempts=failure.attempts
        ) from failure
    except ProviderError:
        raise
    except Exception as error:
        _log.exception("the call of a model failed")
        raise http.error(f"failed: {type(error).__name__}: {error}") from error


def complete_calls(calls: Sequence[ToolCallRequest]) -> list[ToolCallRequest]:
    """Return the calls whose arguments are JSON; the token limit may have cut the last one."""
    return [call for call in calls if is_json(call.arguments)]


def is_json(text: str) -> bool:
    """Whether `text` is one JSON value."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def settled_arguments(arguments: str) -> str:
    """Return the arguments of a call without what servers send twice.

    Some begin with `{}` and then send the arguments, some send all of them again at the end.
    """
    if is_json(arguments):
        return arguments
    decoder, rest, found = json.JSONDecoder(strict=False), arguments.strip(), ""
    try:
        while rest:
            end = decoder.raw_decode(rest)[1]
            value, rest = rest[:end], rest[end:].lstrip()
            if value != "{}":
                if found and value != found:
                    return arguments
                found = value
    except (ValueError, RecursionError):
        return arguments
    return found or "{}"


def unsaid(whole: str, said: str) -> str:
    """Return the rest of a text whose beginning was streamed; "" if they do not match."""
    return whole[len(said) :] if whole.startswith(said) else ""


def without_calls(*, answered: bool) -> FinishReason:
    """Return the reason for an answer that ends for its tool calls, but has none.

    Raises:
        VendorFailure: it has no text either.
    """
    if not answered:
        raise VendorFailure("ended its answer for a tool call that it did not send", retry=True)
    return "stop"


def nameless_call() -> VendorFailure:
    """Return the failure for a call that cannot be made."""
    return VendorFailure("sent a tool call without the name of its tool", retry=True)


def with_unique_ids(calls: Sequence[ToolCallRequest]) -> list[ToolCallRequest]:
    """Return the calls, with a new id for each that has none, or that of another call."""
    used: set[str] = set()
    unique: list[ToolCallRequest] = []
    for call in calls:
        call_id = call.id if call.id and call.id not in used else f"call_{secrets.token_hex(8)}"
        used.add(call_id)
        unique.append(ToolCallRequest(call_id, call.name, call.arguments, call.opaque))
    return unique
