"""From the chunks of a chat completion to the events of a model."""

import msgspec
from msgspec import Raw, Struct, field

from omnia_core.conversation.usage import Usage
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.model import Finished, ModelEvent, TextDelta
from omnia_runtime.providers.answer_size import AnswerSize
from omnia_runtime.providers.finish import finish_reason, given_reason
from omnia_runtime.providers.lenient import (
    UNDECODABLE,
    JSONText,
    LenientDecoder,
    Prose,
    ReasonText,
    loads_object,
    token_count,
)
from omnia_runtime.providers.openai.calls import CallPieces
from omnia_runtime.providers.openai.reasoning import NOTHING, CollectedReasoning
from omnia_runtime.providers.openai.think_tags import ThinkTags
from omnia_runtime.providers.unexpected_events import UnexpectedEvents, is_done_marker
from omnia_runtime.providers.vendor_errors import VendorFailure, member_failure
from omnia_runtime.providers.vendor_stream import complete_calls, unsaid, without_calls


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: JSONText | None = None


class _CallDelta(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    extra_content: Raw = NOTHING
    # Of servers that send the members of the function without the object around them.
    name: str | None = None
    arguments: JSONText | None = None


class _Delta(Struct, gc=False):
    content: Prose | None = None
    refusal: Prose | None = None
    reasoning_content: Raw = NOTHING
    reasoning: Raw = NOTHING
    reasoning_details: Raw = NOTHING
    tool_calls: list[_CallDelta] | None = None
    # Of older servers, which call one tool at a time; some repeat a call of `tool_calls` here.
    function_call: _Function | None = None


class _Details(Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


class _Choice(Struct, gc=False):
    """A piece of the answer; servers that do not stream send a `message`, or a `text`."""

    delta: _Delta | None = None
    finish_reason: ReasonText | None = None
    message: _Delta | None = None
    text: Prose | None = None
    error: Raw = NOTHING
    usage: _Usage | None = None


class _Chunk(Struct, gc=False):
    choices: list[_Choice] = field(default_factory=list)
    usage: _Usage | None = None
    error: Raw = NOTHING


_decode = msgspec.json.Decoder(_Chunk).decode
_lenient = LenientDecoder(_Chunk)


class ChatStream:
    """Reads the events of one answer.

    Attributes:
        done: whether the rest of the stream need not be read.
        cache_writes: input tokens that were written to the vendor's cache.
        size: what was read of the answer, without its text.
    """

    def __init__(self, model: str = "", *, think_tags: bool = False) -> None:
        """Begin an answer.

        Args:
            model: the model of the provider.
            think_tags: whether `<think>…</think>` at the beginning is reasoning.
        """
        self.size = AnswerSize()
        self._think_tags = ThinkTags(self.size) if think_tags else None
        self.done = False
        self.cache_writes = 0
        self._model = model
        self._reasoning = CollectedReasoning(self.size)
        self._calls = CallPieces(self.size)
        self._pieces: list[str] = []
        self._reason = ""
        self._failure: VendorFailure | None = None
        self._refused = False
        self._usage = Usage()
        self._unexpected = UnexpectedEvents()

    @property
    def complete(self) -> bool:
        """Whether the end of the answer was read."""
        return bool(self._reason) or self.done

    def read(self, data: bytes) -> str:
        """Process the data of an event, and return the text in it.

        Raises:
            VendorFailure: the chunk is broken, or reports an error.
        """
        try:
            chunk = _decode(data)
        except UNDECODABLE:
            return self._read_unexpected(data)
        if chunk.choices:
            text = self._chunk(chunk)
            return text if self._think_tags is None else self._untagged(text, self._think_tags)
        return self._without_choice(chunk, loads_object(data), data)

    def _untagged(self, text: str, tags: ThinkTags) -> str:
        text = tags.feed(text) if text else ""
        if tags.passed:
            self._think_tags = None
        return text

    def _read_unexpected(self, data: bytes) -> str:
        if is_done_marker(data):
            self.done = True
            return ""
        text = ""
        for event in self._unexpected.objects(data):
            chunk = _lenient.convert(event)
            if chunk.choices:
                text += self._chunk(chunk)
            else:
                text += self._without_choice(chunk, event, data)
        return text if self._think_tags is None else self._untagged(text, self._think_tags)

    def _without_choice(self, chunk: _Chunk, event: JsonObject, data: bytes) -> str:
        if chunk.usage is not None:
            self._count(chunk.usage)
        self._unexpected.unread(event, data)
        return ""

    def _chunk(self, chunk: _Chunk) -> str:
        choice = chunk.choices[0]
        if (
            choice.finish_reason
            or chunk.usage is not None
            or choice.usage is not None
            or chunk.error is not NOTHING
            or choice.error is not NOTHING
        ):
            self._end(chunk, choice)
        delta = choice.delta
        text = ""
        if delta is not None:
            text = delta.content or ""
            if delta.tool_calls or delta.refusal or delta.function_call is not None:
                text += self._calls_or_refusal(delta)
            if not text:
                self._add_reasoning(delta)
        if choice.text and not (delta and delta.content):
            # Some servers send the same text in both members.
            text += choice.text
        if text:
            self._pieces.append(text)
        return text if choice.message is None else text + self._whole(choice.message, delta)

    def _end(self, chunk: _Chunk, choice: _Choice) -> None:
        usage = chunk.usage or choice.usage
        if usage is not None:
            self._count(usage)
        self._reason = given_reason(choice.finish_reason) or self._reason
        for error in (chunk.error, choice.error):
            if error is not NOTHING and self._failure is None:
                # Raised when the text of this chunk has been said.
                self._failure = member_failure(error)
                self.done = self._failure is not None

    def _calls_or_refusal(self, delta: _Delta) -> str:
        self._continue_calls(delta)
        self._refused = self._refused or bool(delta.refusal)
        return delta.refusal or ""

    def _add_reasoning(self, message: _Delta) -> None:
        self._reasoning.add(message.reasoning_content, message.reasoning, message.reasoning_details)

    def _continue_calls(self, message: _Delta, *, whole: bool = False) -> None:
        # Some servers send the same call in both members.
        for call in message.tool_calls or [_CallDelta(function=message.function_call)]:
            function = call.function or _Function(call.name, call.arguments)
            self._calls.add(
                None if whole else call.index,
                call.id or "",
                function.name or "",
                function.arguments or "",
                extra=b"" if call.extra_content is NOTHING else bytes(call.extra_content),
                whole=whole,
            )

    def _whole(self, message: _Delta, beside: _Delta | None) -> str:
        """Read a whole message, of which pieces may have been read before or stand `beside` it."""
        if beside is None and not self._reason:
            self._reason = "stop"
        if not self._calls:
            self._continue_calls(message, whole=True)
        self._add_reasoning(message)
        self._refused = self._refused or bool(message.refusal)
        text = unsaid((message.content or "") + (message.refusal or ""), "".join(self._pieces))
        self._pieces.append(text)
        return text

    def _count(self, usage: _Usage) -> None:
        details = usage.prompt_tokens_details or _Details()
        self.cache_writes = token_count(details.cache_write_tokens)
        self._usage = Usage(
            token_count(usage.prompt_tokens),
            token_count(usage.completion_tokens),
            token_count(details.cached_tokens),
        )

    def finish(self) -> list[ModelEvent]:
        """Return the events that remain when the stream has ended.

        Raises:
            VendorFailure: the stream ended before the answer did, or with a failure.
        """
        if self._failure is not None:
            raise self._failure
        answered = bool(self._calls) or any(self._pieces)
        if not self.complete or not (self._reason or answered):
            raise self._unexpected.early_end()
        reason = finish_reason(self._reason, answered=answered) if self._reason else "stop"
        calls = self._reasoning.packed(self._calls.requests(), self._model, self._calls.extras())
        if self._refused:
            reason = "refusal"
        elif calls and reason == "stop":
            reason = "tool_use"
        elif reason == "tool_use" and not calls:
            reason = without_calls(answered=answered)
        if reason == "max_output_tokens":
            calls = complete_calls(calls)
        held = self._think_tags.end() if self._think_tags else ""
        said = [TextDelta(held)] if held else []
        return [*said, *calls, Finished(reason, self._usage)]
