"""The streamed answer of one model call."""

from collections.abc import Collection
from contextlib import aclosing

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.parts import Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.usage import Usage
from omnia_core.sessions import Message
from omnia_runtime.agent.limits import LimitReached
from omnia_runtime.ports.listener import AgentListener
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


class ModelAnswer:
    """Collects the answer of one model call.

    Attributes:
        calls: the tool calls that the model requested.
        parts: the media that it produced.
        usage: zero until the call has ended.
    """

    def __init__(self, limit: str, stop_on: Collection[str] = ()) -> None:
        """Create an empty answer.

        Args:
            limit: the limit that the turn has reached, so that no tool may be called; "" if none.
            stop_on: names of tools; the turn ends after a call of one of them.
        """
        self.calls: list[ToolCall] = []
        self.parts: list[Part] = []
        self.usage = Usage()
        self._limit = limit
        self._stop_on = stop_on
        self._sent: list[str] = []
        self._has_text = False
        self._reason: FinishReason = "stop"

    @property
    def text(self) -> str:
        """The text sent so far; text that the gate holds back is not included."""
        return "".join(self._sent)

    @property
    def final(self) -> bool:
        """Whether no tools have to be run for it."""
        return bool(self._limit) or not self.calls

    @property
    def last(self) -> bool:
        """Whether the turn ends after it and its tool calls."""
        return self.final or any(call.name in self._stop_on for call in self.calls)

    @property
    def reason(self) -> FinishReason:
        """The finish reason of a final answer."""
        return "stop" if self._reason == "tool_use" else self._reason

    def message(self) -> Message:
        """Return the record of the answer."""
        calls = () if self.final else tuple(self.calls)
        reason = self.reason if self.final else "tool_use"
        return Message("assistant", self.text, tuple(self.parts), calls, finish_reason=reason)

    async def receive(
        self,
        model: ChatModel,
        request: ChatRequest,
        gate: OutputGate | None,
        listener: AgentListener,
    ) -> None:
        """Call the model, and send the text that passes the gate.

        Raises:
            ProviderError: the model call failed.
            OutputBlocked: a validator blocks the text.
            LimitReached: a limit is reached, and the model requested only tool calls.
        """
        async with aclosing(model.stream(request)) as events:
            async for event in events:
                if type(event) is not TextDelta:
                    self._collect(event)
                    continue
                self._has_text = True
                text = gate.feed(event.text) if gate else event.text
                if text:
                    self._sent.append(text)
                    if not listener.send_text(text):
                        await listener.drain()
                if gate and gate.cut:
                    self.calls.clear()
                    self._reason = "max_output_tokens"
                    return
        if self._limit and self.calls and not self._has_text:
            raise LimitReached(self._limit)
        if gate and self.last and (rest := gate.end()):
            self._sent.append(rest)
            if not listener.send_text(rest):
                await listener.drain()

    def _collect(self, event: ModelEvent) -> None:
        match event:
            case ToolCallRequest(call_id, name, arguments, opaque):
                self.calls.append(ToolCall(call_id, name, arguments, opaque))
            case MediaProduced(part):
                self.parts.append(part)
            case Finished(reason, usage):
                self._reason, self.usage = reason, usage
            case TextDelta():
                pass  # handled by `receive`
