"""Builds the requests of a turn: the messages that fit into the context window, with media."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct, structs

from omnia_core.conversation.parts import Part
from omnia_core.conversation.usage import Usage
from omnia_core.sessions import Message
from omnia_runtime.agent.context_window import ContextWindow, FittedMessages, fit_messages
from omnia_runtime.agent.tokens import Calibration, estimate_output, estimate_text, estimate_tools
from omnia_runtime.ports.model import ChatRequest


class OmittedMedia(Struct, frozen=True):
    """Replaces a part that is not sent again; the model sees the reason."""

    reason: str


LoadedPart: TypeAlias = Part | OmittedMedia


class ModelContext:
    """The context window of a model, and the calibration of its token estimates."""

    def __init__(self, window: ContextWindow | None) -> None:
        """`window` is None if the provider declares none: everything is sent."""
        self.window = window
        self.calibration = Calibration()


class RequestBuilder:
    """Builds each model request of one turn.

    Attributes:
        first: the messages of the first request; None before it.
    """

    def __init__(
        self, context: ModelContext, media: Mapping[Part, LoadedPart], first: int = 0
    ) -> None:
        """Create a builder.

        Args:
            context: that of the model.
            media: the loaded part for each part that refers to media elsewhere.
            first: the position in the session of the first message.
        """
        self.first: FittedMessages | None = None
        self._context = context
        self._media = media
        self._position = first
        self._estimated = 0

    def build(self, request: ChatRequest, messages: Sequence[Message]) -> ChatRequest:
        """Return the next request: `request` with the messages that fit.

        Raises:
            ContextWindowExceeded: the last user message is too large.
        """
        window = self._context.window
        fixed = 0
        if window is not None:
            fixed = (
                estimate_text(request.system)
                + estimate_tools(request.tools)
                + estimate_output(request.output)
            )
        fitted = fit_messages(messages, fixed, window, self._context.calibration, self._position)
        self.first = self.first or fitted
        self._estimated = fitted.tokens
        system = "\n\n".join(filter(None, (request.system, fitted.note)))
        sent = [self._load_parts(message) for message in _hide_failures(fitted.messages)]
        return structs.replace(request, system=system, messages=sent)

    def calibrate(self, usage: Usage) -> None:
        """Adjust the estimates to the token count that the vendor reported for the last call."""
        if self._context.window is not None:
            updated = self._context.calibration.updated(self._estimated, usage.input_tokens)
            self._context.calibration = updated

    def _load_parts(self, message: Message) -> Message:
        if not message.parts:
            return message
        parts: list[Part] = []
        notes: list[str] = []
        for part in message.parts:
            match self._media.get(part, part):
                case OmittedMedia(reason):
                    notes.append(f"[not shown: {part.type}; {reason}]")
                case loaded:
                    parts.append(loaded)
        content = "\n".join(filter(None, (message.content, *notes)))
        return structs.replace(message, content=content, parts=tuple(parts))


def _hide_failures(messages: Sequence[Message]) -> Iterator[Message]:
    """Yield what a model is to see of turns that failed."""
    return _hide_failed_media(list(_without_resent(messages)))


def _without_resent(messages: Sequence[Message]) -> Iterator[Message]:
    """Yield the messages, without those that failed before a word and were then sent again."""
    at = 0
    while at < len(messages):
        if at + 2 < len(messages) and _is_resent(*messages[at : at + 3]):
            at += 2
        else:
            yield messages[at]
            at += 1


def _is_resent(first: Message, failed: Message, again: Message) -> bool:
    return (
        (failed.role, failed.finish_reason) == ("assistant", "error")
        and not (failed.content or failed.parts or failed.tool_calls)
        and first.role == again.role == "user"
        and (first.content, first.parts) == (again.content, again.parts)
    )


def _hide_failed_media(messages: Sequence[Message]) -> Iterator[Message]:
    """Yield the messages, without the media of a turn that failed.

    The media may be the cause of the failure, and would make every later turn fail too.
    """
    if not any(message.parts for message in messages):
        yield from messages
        return
    following = [*messages[1:], Message("user")]
    for message, after in zip(messages, following, strict=True):
        if message.role == "user" and message.parts and after.finish_reason == "error":
            kinds = ", ".join(part.type for part in message.parts)
            note = f"[not shown: {kinds}; the turn failed]"
            yield structs.replace(message, content=f"{message.content}\n{note}".strip(), parts=())
        else:
            yield message
