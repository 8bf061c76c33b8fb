"""From the chunks of a generateContent stream to the events of a model.

Source: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

import msgspec
from msgspec import Struct

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.parts import MEDIA_TYPES, Media, Part
from omnia_core.conversation.usage import Usage
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.model import Finished, MediaProduced, ModelEvent, ToolCallRequest
from omnia_runtime.providers.answer_size import ITEM, AnswerSize
from omnia_runtime.providers.finish import finish_reason, given_reason
from omnia_runtime.providers.gemini.request import packed_signature
from omnia_runtime.providers.lenient import (
    UNDECODABLE,
    LenientDecoder,
    Prose,
    arguments_text,
    loads_object,
    token_count,
)
from omnia_runtime.providers.unexpected_events import UnexpectedEvents, is_done_marker
from omnia_runtime.providers.vendor_errors import VendorFailure, member_failure
from omnia_runtime.providers.vendor_stream import (
    nameless_call,
    settled_arguments,
    with_unique_ids,
    without_calls,
)

_OTHER_ERROR = 500
_NOTHING = msgspec.Raw()


class _FunctionCall(Struct, gc=False):
    """A whole tool call. Only newer models give it an id."""

    name: str = ""
    id: str = ""
    args: msgspec.Raw = msgspec.Raw(b"{}")


class _Blob(Struct, gc=False, rename="camel"):
    """Bytes, base64."""

    mime_type: str = ""
    data: str = ""


class _Part(Struct, gc=False, rename="camel"):
    """A piece of the answer: one of text, call or media."""

    text: Prose = ""
    thought: bool = False
    thought_signature: str = ""
    function_call: _FunctionCall | None = None
    inline_data: _Blob | None = None


class _Content(Struct, gc=False):
    """What a chunk adds to the answer."""

    parts: list[_Part] | None = None


class _Candidate(Struct, gc=False, rename="camel"):
    """The answer; only one is requested."""

    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None


class _Usage(Struct, gc=False, rename="camel"):
    """Token counts of the whole call so far."""

    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None


class _Feedback(Struct, gc=False, rename="camel"):
    """Why the prompt was not answered."""

    block_reason: str | None = None


class _Chunk(Struct, gc=False, rename="camel"):
    """A chunk of the stream."""

    candidates: list[_Candidate] | None = None
    usage_metadata: _Usage | None = None
    prompt_feedback: _Feedback | None = None
    error: msgspec.Raw = _NOTHING


_decode = msgspec.json.Decoder(_Chunk).decode
_lenient = LenientDecoder(_Chunk)
_NO_USAGE = _Usage()


class ContentStream:
    """Reads the chunks of one answer.

    Attributes:
        done: whether the rest of the stream need not be read; counts follow the last piece, so that
            only an error ends the reading before the stream ends.
        cache_writes: always 0; the API reports no written tokens.
        size: what was read of the answer, without its text.
    """

    cache_writes = 0

    def __init__(self) -> None:
        self.size = AnswerSize()
        self.done = False
        self._calls: list[ToolCallRequest] = []
        self._media: list[MediaProduced] = []
        self._reason = ""
        self._detail = ""
        self._said = False
        self._blocked = False
        self._failure: VendorFailure | None = None
        self._unexpected = UnexpectedEvents(_OTHER_ERROR)
        self._usage = _NO_USAGE

    @property
    def complete(self) -> bool:
        """Whether the end of the answer was read."""
        return bool(self._reason) or self._blocked

    def read(self, data: bytes) -> str:
        """Process the data of an event, and return the text in it.

        Raises:
            VendorFailure: the chunk is broken, or reports an error.
        """
        try:
            chunk = _decode(data)
        except UNDECODABLE:
            return self._read_unexpected(data)
        if chunk.candidates:
            return self._chunk(chunk, chunk.candidates[0])
        return self._without_candidate(chunk, loads_object(data), data)

    def _read_unexpected(self, data: bytes) -> str:
        if is_done_marker(data):
            return ""
        text = ""
        for event in self._unexpected.objects(data):
            chunk = _lenient.convert(event)
            if chunk.candidates:
                text += self._chunk(chunk, chunk.candidates[0])
            else:
                text += self._without_candidate(chunk, event, data)
        return text

    def _without_candidate(self, chunk: _Chunk, event: JsonObject, data: bytes) -> str:
        if chunk.usage_metadata is not None:
            self._usage = chunk.usage_metadata
        self._read_feedback(chunk.prompt_feedback)
        self._unexpected.unread(event, data)
        return ""

    def finish(self) -> list[ModelEvent]:
        """Return the events that remain when the stream has ended.

        Raises:
            VendorFailure: the stream ended before the answer did, or with a failure.
        """
        if self._failure is not None:
            raise self._failure
        if not self.complete:
            raise self._unexpected.early_end()
        answered = self._said or bool(self._calls or self._media)
        reason: FinishReason = "safety"
        if not self._blocked:
            reason = finish_reason(self._reason, answered=answered, detail=self._detail)
        calls = with_unique_ids(self._calls)
        if reason in ("safety", "refusal"):
            calls = []
        elif calls and reason == "stop":
            reason = "tool_use"
        elif reason == "tool_use" and not calls:
            reason = without_calls(answered=answered)
        return [*self._media, *calls, Finished(reason, self._counted())]

    def _chunk(self, chunk: _Chunk, candidate: _Candidate) -> str:
        if chunk.usage_metadata is not None:
            self._usage = chunk.usage_metadata
        self._read_feedback(chunk.prompt_feedback)
        if chunk.error is not _NOTHING:
            # Raised when the text of this chunk has been said.
            self._failure = member_failure(chunk.error, _OTHER_ERROR)
            self.done = self._failure is not None
        text = ""
        if candidate.content is not None and candidate.content.parts:
            for part in candidate.content.parts:
                text += self._part(part)
        if text:
            self._said = True
        if reason := given_reason(candidate.finish_reason):
            self._reason = reason
            self._detail = candidate.finish_message or self._detail
        return text

    def _read_feedback(self, feedback: _Feedback | None) -> None:
        if feedback is not None and given_reason(feedback.block_reason):
            self._blocked = True

    def _part(self, part: _Part) -> str:
        if part.function_call is not None:
            self._call(part.function_call, part.thought_signature)
        elif part.thought:
            # Thoughts are not requested, and are not part of the answer.
            self.size.add_other(len(part.text))
            return ""
        elif part.inline_data is not None:
            self.size.add_other(ITEM + len(part.inline_data.data))
            self._media.append(MediaProduced(_media(part.inline_data)))
        return part.text

    def _call(self, call: _FunctionCall, signature: str) -> None:
        if not call.name:
            raise nameless_call()
        self.size.add_call(len(call.id) + len(call.name) + len(bytes(call.args)) + len(signature))
        arguments = settled_arguments(arguments_text(call.args))
        self._calls.append(
            ToolCallRequest(call.id, call.name, arguments, packed_signature(signature))
        )

    def _counted(self) -> Usage:
        usage = self._usage
        asked = token_count(usage.prompt_token_count)
        said = token_count(usage.candidates_token_count)
        return Usage(
            token_count(asked + token_count(usage.tool_use_prompt_token_count)),
            token_count(said + token_count(usage.thoughts_token_count)),
            token_count(usage.cached_content_token_count),
        )


def _media(blob: _Blob) -> Part:
    family = blob.mime_type.partition("/")[0]
    part_type = family if family in MEDIA_TYPES else "document"
    return Part(part_type, media=Media(blob.mime_type, data=blob.data))
