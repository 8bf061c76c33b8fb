"""One answer of the model, while it arrives."""

from collections.abc import Collection
from contextlib import aclosing

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.parts import Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.usage import Usage
from omnia_core.sessions import Message
from omnia_runtime.ports.listener import LimitReached, Listener
from omnia_runtime.ports.model import (
    ChatModel,
    ChatRequest,
    Finished,
    MediaProduced,
    ModelEvent,
    TextDelta,
    ToolCallRequest,
)
from omnia_runtime.validators import OutputGate


class Answer:
    """What the model has said in one call.

    Attributes:
        calls: the tools that it asks for.
        parts: the media that it made.
        usage: zero until the call has ended.
    """

    def __init__(self, limit: str, stop_on: Collection[str] = ()) -> None:
        """Begin with nothing said.

        Args:
            limit: what is used up, so that no tool can be called any more; "" when nothing is.
            stop_on: tools after whose call the turn ends.
        """
        self.calls: list[ToolCall] = []
        self.parts: list[Part] = []
        self.usage = Usage()
        self._limit = limit
        self._stop_on = stop_on
        self._said: list[str] = []
        self._spoke = False
        self._reason: FinishReason = "stop"

    @property
    def text(self) -> str:
        """All text that was let through so far."""
        return "".join(self._said)

    @property
    def final(self) -> bool:
        """Whether it calls no tools."""
        return bool(self._limit) or not self.calls

    @property
    def last(self) -> bool:
        """Whether the turn ends with it, and with the tools that it calls."""
        return self.final or any(call.name in self._stop_on for call in self.calls)

    @property
    def reason(self) -> FinishReason:
        """Why it ended, if it is final."""
        return "stop" if self._reason == "tool_use" else self._reason

    def message(self) -> Message:
        """Return the record of the answer."""
        calls = () if self.final else tuple(self.calls)
        reason = self.reason if self.final else "tool_use"
        return Message("assistant", self.text, tuple(self.parts), calls, finish_reason=reason)

    async def hear(
        self, model: ChatModel, request: ChatRequest, gate: OutputGate | None, listener: Listener
    ) -> None:
        """Ask the model, and say the text that may be shown.

        Raises:
            ProviderError: no answer, or none to its end.
            OutputBlocked: a validator does not let the text pass.
            LimitReached: it asks for tools that it cannot have, and says nothing else.
        """
        async with aclosing(model.stream(request)) as events:
            async for event in events:
                if type(event) is not TextDelta:
                    self._take(event)
                    continue
                self._spoke = True
                text = gate.feed(event.text) if gate else event.text
                if text:
                    self._said.append(text)
                    if not listener.say(text):
                        await listener.room()
                if gate and gate.cut:
                    self.calls.clear()
                    self._reason = "max_output_tokens"
                    return
        if self._limit and self.calls and not self._spoke:
            raise LimitReached(self._limit)
        if gate and self.last and (rest := gate.end()):
            self._said.append(rest)
            if not listener.say(rest):
                await listener.room()

    def _take(self, event: ModelEvent) -> None:
        match event:
            case ToolCallRequest(call_id, name, arguments, opaque):
                self.calls.append(ToolCall(call_id, name, arguments, opaque))
            case MediaProduced(part):
                self.parts.append(part)
            case Finished(reason, usage):
                self._reason, self.usage = reason, usage
            case TextDelta(text):
                self._said.append(text)
