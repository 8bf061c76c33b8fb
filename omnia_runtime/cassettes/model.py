"""A model whose answers are recorded in a cassette, or come from it."""

import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing

from omnia_core.conversation.usage import Usage
from omnia_core.files.cassette import (
    RecordedAnswer,
    RecordedCall,
    RecordedEnd,
    RecordedEvent,
    RecordedFailure,
    RecordedMedia,
    RecordedText,
)
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.cassettes.cassette import Cassette
from omnia_runtime.cassettes.conversation import CONVERSATION
from omnia_runtime.cassettes.described import described
from omnia_runtime.ports.model import (
    ChatModel,
    ChatRequest,
    Finished,
    MediaProduced,
    ModelEvent,
    ProviderError,
    TextDelta,
    ToolCallRequest,
)


class RecordingModel:
    """A model whose complete answers are recorded; with `first_look`, only those that are not yet.

    A call that may succeed later, or that nobody reads to its end, is not recorded.
    """

    def __init__(
        self, model: ChatModel, name: str, cassette: Cassette, *, first_look: bool = False
    ) -> None:
        """Record the answers of `model`; `name` is that by which its vendor knows it."""
        self._model = model
        self._name = name
        self._cassette = cassette
        self._first_look = first_look

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        asked = described(self._name, request)
        if self._first_look and (known := self._cassette.answer(asked)) is not None:
            for event in played(known):
                yield event
            return
        began, events = time.monotonic(), list[ModelEvent]()
        try:
            async with aclosing(self._model.stream(request)) as stream:
                async for event in stream:
                    events.append(event)
                    if type(event) is Finished:
                        # Before the reader has it, who may stop reading here.
                        self._record(asked, _recorded(events), began)
                    yield event
        except ProviderError as error:
            if not error.retryable:
                failure = RecordedFailure(error.message, error.status)
                self._record(asked, [*_recorded(events), failure], began)
            raise

    def _record(self, asked: JsonObject, events: Iterable[RecordedEvent], began: float) -> None:
        took = round((time.monotonic() - began) * 1000, 3)
        conversation = CONVERSATION.get()
        if conversation:
            conversation.milliseconds += took
        name = conversation.name if conversation else ""
        self._cassette.record(RecordedAnswer(asked, tuple(events), name, took))


class ReplayingModel:
    """A model that is not there: every answer comes from the cassette."""

    def __init__(self, name: str, cassette: Cassette) -> None:
        self._name = name
        self._cassette = cassette

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        asked = described(self._name, request)
        known = self._cassette.answer(asked)
        if known is None:
            raise ProviderError(self._cassette.miss(asked))
        for event in played(known):
            yield event


def played(answer: RecordedAnswer) -> Iterator[ModelEvent]:
    """Yield the events of a recorded answer, as fast as they are read.

    Raises:
        ProviderError: the recorded call failed.
    """
    if conversation := CONVERSATION.get():
        conversation.milliseconds += answer.milliseconds
    for event in answer.events:
        match event:
            case RecordedText():
                yield from map(TextDelta, event.pieces)
            case RecordedCall():
                yield ToolCallRequest(event.id, event.name, event.arguments, event.opaque)
            case RecordedMedia():
                yield MediaProduced(event.part)
            case RecordedEnd():
                usage = Usage(
                    event.input_tokens, event.output_tokens, event.cached_tokens, event.cost_usd
                )
                yield Finished(event.reason, usage)
            case RecordedFailure():
                raise ProviderError(event.message, status=event.status)


def _recorded(events: Iterable[ModelEvent]) -> Iterator[RecordedEvent]:
    pieces: list[str] = []
    for event in events:
        if isinstance(event, TextDelta):
            pieces.append(event.text)
            continue
        if pieces:
            yield RecordedText(tuple(pieces))
            pieces = []
        match event:
            case ToolCallRequest():
                yield RecordedCall(event.id, event.name, event.arguments, event.opaque)
            case MediaProduced():
                yield RecordedMedia(event.part)
            case Finished():
                used = event.usage
                yield RecordedEnd(
                    event.reason,
                    used.input_tokens,
                    used.output_tokens,
                    used.cached_tokens,
                    used.cost_usd,
                )
    if pieces:
        yield RecordedText(tuple(pieces))
