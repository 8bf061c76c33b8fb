"""What the store lacks of an answer that was relayed to its client and has no end."""

from collections import Counter
from collections.abc import Sequence

import orjson
from msgspec import Struct, structs

from omnia_core.conversation.finish_reasons import INTERRUPTED
from omnia_core.conversation.tools import ToolCall as StoredCall
from omnia_core.sessions import Message, Session
from omnia_core.sessions.records import is_placeholder, placeholder_result
from omnia_facade.dialogue.events import ToolAnswer, ToolResult, TurnRequest
from omnia_facade.turns.relayed import Kept, Relayed


class Verdict(Struct, frozen=True):
    """What to do.

    Attributes:
        outcome: what it will be called when it is done.
        checkpoint: all of the turn, to be stored in the place of its last checkpoint.
        length: of the session that it belongs to.
        reason: of a failure.
    """

    outcome: Kept
    checkpoint: tuple[Message, ...] = ()
    length: int = 0
    reason: str = ""


def verdict(session: Session | None, request: TurnRequest, relayed: Relayed, now: str) -> Verdict:
    """Compare what is stored with what was relayed until `now`, the time of what is new."""
    if session is None:
        return Verdict(Kept.FAILED, reason="the store does not know the session")
    messages = session.messages
    begun = max((at for at, each in enumerate(messages) if each.role == "user"), default=-1)
    if begun < 0 or messages[begun].content != _asked(request) or messages[begun].created_at > now:
        return Verdict(Kept.FAILED, reason="the session has gone on with another message")
    if any(each.role != "summary" for each in messages[begun + 1 :]):
        # The runtime was cut off from this side only, and has ended the turn itself.
        return Verdict(Kept.PRESENT)
    said, stored = relayed.text, _text(session.interrupted)
    if not (said.startswith(stored) or stored.startswith(said)):
        return Verdict(Kept.FAILED, reason="the store has another answer to the message")
    answer = _Answer(session.interrupted)
    answer.add(relayed, max(said, stored, key=len))
    if not answer.grown and len(said) <= len(stored):
        return Verdict(Kept.PRESENT)
    return Verdict(Kept.STORED, tuple(answer.closed(now)), session.length)


class _Round(Struct):
    """One answer of the model, and the results of the calls in it."""

    message: Message
    results: dict[str, Message] = {}


class _Answer:
    """The rounds of a turn; begins with what a checkpoint has."""

    def __init__(self, checkpoint: Sequence[Message]) -> None:
        self.grown = False
        self._rest = ""
        self._rounds: list[_Round] = []
        for each in checkpoint:
            if is_placeholder(each):
                continue
            if each.role == "assistant":
                self._rounds.append(_Round(each, {}))
            elif self._rounds:
                self._rounds[-1].results[each.tool_call_id] = each

    def add(self, relayed: Relayed, text: str) -> None:
        """Take what is new; `text` is all that the turn has said."""
        known = Counter(call.id for each in self._rounds for call in each.message.tool_calls)
        resolved = Counter(name for each in self._rounds for name in each.results)
        used = len(_text([each.message for each in self._rounds]))
        for before, together in relayed.calls():
            calls = tuple(
                StoredCall(call.id, call.name, call.arguments_json)
                for call in together
                if not _taken(known, call.id)
            )
            if calls:
                end = max(used, before)
                said = Message(
                    "assistant", text[used:end], tool_calls=calls, finish_reason="tool_use"
                )
                self._rounds.append(_Round(said, {}))
                self.grown, used = True, end
        for result in relayed.results:
            message = _result(result)
            if not _taken(resolved, message.tool_call_id):
                self._resolve(message)
        self._rest = text[used:]

    def closed(self, now: str) -> list[Message]:
        """Return the messages, in the form in which a runtime leaves an answer without an end."""
        messages: list[Message] = []
        for each in self._rounds:
            messages.append(each.message)
            messages += [
                each.results.get(call.id) or placeholder_result(call)
                for call in each.message.tool_calls
            ]
        messages.append(Message("assistant", self._rest, finish_reason=INTERRUPTED))
        return [
            each if each.created_at else structs.replace(each, created_at=now) for each in messages
        ]

    def _resolve(self, message: Message) -> None:
        for each in self._rounds:
            called = any(call.id == message.tool_call_id for call in each.message.tool_calls)
            if called and message.tool_call_id not in each.results:
                each.results[message.tool_call_id] = message
                self.grown = True
                return


def _taken(left: Counter[str], name: str) -> bool:
    """Whether one of this name was left; some models use an id again in a later answer."""
    left[name] -= 1
    return left[name] >= 0


def _text(messages: Sequence[Message]) -> str:
    return "".join(each.content for each in messages if each.role == "assistant")


def _asked(request: TurnRequest) -> str:
    """Return the text of a message as the runtime stores it."""
    if not request.parts:
        return request.content
    return "\n".join(each.text for each in request.parts if each.type == "text")


def _result(result: ToolResult | ToolAnswer) -> Message:
    if isinstance(result, ToolResult):
        return Message("tool", result.result_json, tool_call_id=result.id, is_error=result.is_error)
    if result.rejection is None:
        return Message("tool", result.result_json or "null", tool_call_id=result.call_id)
    error = orjson.dumps({"error": result.rejection}).decode()
    return Message("tool", error, tool_call_id=result.call_id, is_error=True)
