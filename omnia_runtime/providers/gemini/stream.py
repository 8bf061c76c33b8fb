"""From the chunks of a generateContent stream to the events of a model.

Source: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

import secrets

import msgspec
from msgspec import Struct

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.parts import MEDIA_TYPES, Media, Part
from omnia_core.conversation.usage import Usage
from omnia_runtime.ports.model import Finished, MediaProduced, ModelEvent, ToolCallRequest
from omnia_runtime.providers.gemini.request import packed_signature
from omnia_runtime.providers.vendor_errors import VendorFailure

_SAFETY = (
    "SAFETY",
    "RECITATION",
    "PROHIBITED_CONTENT",
    "SPII",
    "BLOCKLIST",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "ESCALATION",
    "PUP_LIMITED_DISABLED",
    "MODEL_ARMOR",
)
_REFUSAL = (
    "LANGUAGE",
    "OTHER",
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "IMAGE_OTHER",
    "NO_IMAGE",
)
_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "max_output_tokens",
    "CONTINUATION": "max_output_tokens",
    **dict.fromkeys(_SAFETY, "safety"),
    **dict.fromkeys(_REFUSAL, "refusal"),
}
# Reasons that mean no answer, with whether the same call is worth retrying.
_NO_ANSWER = {"MALFORMED_RESPONSE": True, "MISSING_THOUGHT_SIGNATURE": False}


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

    text: str = ""
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

    prompt_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    cached_content_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0


class _Feedback(Struct, gc=False, rename="camel"):
    """Why the prompt was not answered."""

    block_reason: str | None = None


class _Error(Struct, gc=False):
    """Why the answer broke off; `code` is an HTTP status."""

    code: int = 500
    message: str = ""


class _Chunk(Struct, gc=False, rename="camel"):
    """A chunk of the stream."""

    candidates: list[_Candidate] | None = None
    usage_metadata: _Usage | None = None
    prompt_feedback: _Feedback | None = None
    error: _Error | None = None


_decode = msgspec.json.Decoder(_Chunk).decode
_NO_USAGE = _Usage()


class ContentStream:
    """Reads the chunks of one answer.

    Attributes:
        done: always False; only the end of the stream shows that the answer is complete.
        cache_writes: always 0; the API reports no written tokens.
    """

    done = False
    cache_writes = 0

    def __init__(self) -> None:
        self._calls: list[ToolCallRequest] = []
        self._media: list[MediaProduced] = []
        self._reason: str | None = None
        self._blocked = False
        self._usage = _NO_USAGE

    def read(self, data: bytes) -> str:
        """Process the data of an event, and return the text in it.

        Raises:
            VendorFailure: the chunk is malformed, or reports an error.
        """
        try:
            chunk = _decode(data)
        except msgspec.DecodeError as error:
            raise VendorFailure(f"sent a malformed chunk of an answer: {error}") from error
        if chunk.error is not None:
            raise VendorFailure(f"broke off: {chunk.error.message}", status=chunk.error.code)
        if chunk.usage_metadata is not None:
            self._usage = chunk.usage_metadata
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
            self._blocked = True
        return self._candidate(chunk.candidates[0]) if chunk.candidates else ""

    def finish(self) -> list[ModelEvent]:
        """Return the events that remain when the stream has ended.

        Raises:
            VendorFailure: the stream ended before the answer did.
        """
        if self._reason is None and not self._blocked:
            raise VendorFailure("ended its stream before its answer", retry=True)
        reason = "safety" if self._blocked else _REASONS.get(self._reason or "STOP", "stop")
        if reason in ("safety", "refusal"):
            return [*self._media, Finished(reason, self._counted())]
        if self._calls and reason == "stop":
            reason = "tool_use"
        return [*self._media, *self._calls, Finished(reason, self._counted())]

    def _candidate(self, candidate: _Candidate) -> str:
        text = ""
        if candidate.content is not None and candidate.content.parts:
            for part in candidate.content.parts:
                text += self._part(part)
        reason = candidate.finish_reason
        if reason in _NO_ANSWER:
            detail = candidate.finish_message or "without a message"
            raise VendorFailure(f"gave no answer: {reason} ({detail})", retry=_NO_ANSWER[reason])
        self._reason = reason or self._reason
        return text

    def _part(self, part: _Part) -> str:
        if part.function_call is not None:
            self._call(part.function_call, part.thought_signature)
        elif part.thought:
            # Thoughts are not requested, and are not part of the answer.
            return ""
        elif part.inline_data is not None:
            self._media.append(MediaProduced(_media(part.inline_data)))
        return part.text

    def _call(self, call: _FunctionCall, signature: str) -> None:
        call_id = call.id or f"call_{secrets.token_hex(8)}"
        arguments = bytes(call.args).decode()
        if arguments == "null":
            arguments = "{}"
        self._calls.append(
            ToolCallRequest(call_id, call.name, arguments, packed_signature(signature))
        )

    def _counted(self) -> Usage:
        usage = self._usage
        return Usage(
            usage.prompt_token_count + usage.tool_use_prompt_token_count,
            usage.candidates_token_count + usage.thoughts_token_count,
            usage.cached_content_token_count,
        )


def _media(blob: _Blob) -> Part:
    family = blob.mime_type.partition("/")[0]
    part_type = family if family in MEDIA_TYPES else "document"
    return Part(part_type, media=Media(blob.mime_type, data=blob.data))
