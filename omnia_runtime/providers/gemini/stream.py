"""From the chunks of a generateContent stream to the events of a model."""

import secrets

import msgspec

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.parts import MEDIA_TYPES, Media, Part
from omnia_core.conversation.usage import Usage
from omnia_runtime.ports.model import Finished, MediaProduced, ModelEvent, ToolCallRequest
from omnia_runtime.providers.failure import VendorFailure
from omnia_runtime.providers.gemini import events
from omnia_runtime.providers.gemini.signature import kept_signature

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
# Ends that are no answer, with whether the same call may end otherwise.
_NO_ANSWER = {"MALFORMED_RESPONSE": True, "MISSING_THOUGHT_SIGNATURE": False}
_NO_USAGE = events.Usage()


class ContentStream:
    """Reads the chunks of one answer."""

    def __init__(self) -> None:
        self._calls: list[ToolCallRequest] = []
        self._media: list[MediaProduced] = []
        self._reason: str | None = None
        self._blocked = False
        self._usage = _NO_USAGE

    def read(self, data: bytes) -> str:
        """Take the data of an event, and return the text in it.

        Raises:
            VendorFailure: it is no chunk of an answer, or it reports an error.
        """
        try:
            chunk = events.decode(data)
        except msgspec.DecodeError as error:
            raise VendorFailure(f"sent what is no chunk of an answer: {error}") from error
        if chunk.error is not None:
            raise VendorFailure(f"broke off: {chunk.error.message}", status=chunk.error.code)
        if chunk.usage_metadata is not None:
            self._usage = chunk.usage_metadata
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
            self._blocked = True
        return self._candidate(chunk.candidates[0]) if chunk.candidates else ""

    def finish(self) -> list[ModelEvent]:
        """Return what remains to be said when the stream has ended.

        Raises:
            VendorFailure: it ended before the answer did.
        """
        if self._reason is None and not self._blocked:
            raise VendorFailure("ended its stream before its answer", retry=True)
        reason = "safety" if self._blocked else _REASONS.get(self._reason or "STOP", "stop")
        if reason in ("safety", "refusal"):
            return [*self._media, Finished(reason, self._counted())]
        if self._calls and reason == "stop":
            reason = "tool_use"
        return [*self._media, *self._calls, Finished(reason, self._counted())]

    def _candidate(self, candidate: events.Candidate) -> str:
        text = ""
        if candidate.content is not None and candidate.content.parts:
            for part in candidate.content.parts:
                text += self._part(part)
        reason = candidate.finish_reason
        if reason in _NO_ANSWER:
            detail = candidate.finish_message or "no more is known"
            raise VendorFailure(f"gave no answer: {reason} ({detail})", retry=_NO_ANSWER[reason])
        self._reason = reason or self._reason
        return text

    def _part(self, part: events.Part) -> str:
        if part.function_call is not None:
            self._call(part.function_call, part.thought_signature)
        elif part.thought:
            # thoughts are not asked for, and are no answer
            return ""
        elif part.inline_data is not None:
            self._media.append(MediaProduced(_media(part.inline_data)))
        return part.text

    def _call(self, call: events.FunctionCall, signature: str) -> None:
        call_id = call.id or f"call_{secrets.token_hex(8)}"
        arguments = bytes(call.args).decode()
        if arguments == "null":
            arguments = "{}"
        self._calls.append(
            ToolCallRequest(call_id, call.name, arguments, kept_signature(signature))
        )

    def _counted(self) -> Usage:
        usage = self._usage
        return Usage(
            usage.prompt_token_count + usage.tool_use_prompt_token_count,
            usage.candidates_token_count + usage.thoughts_token_count,
            usage.cached_content_token_count,
        )


def _media(blob: events.Blob) -> Part:
    family = blob.mime_type.partition("/")[0]
    kind = family if family in MEDIA_TYPES else "document"
    return Part(kind, media=Media(blob.mime_type, data=blob.data))
