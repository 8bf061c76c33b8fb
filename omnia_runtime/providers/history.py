"""From a stored conversation to one that a vendor accepts, whatever model wrote it."""

import hashlib
import re
from collections.abc import Callable, Sequence

from msgspec import Struct, structs

from omnia_core.conversation.tools import ToolCall
from omnia_core.sessions import Message
from omnia_core.sessions.records import placeholder_result

MAX_NAME = 64
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_-]")
_DIGEST = 8
# Several vendors refuse a message without text.
_NO_TEXT = "(no text)"
_NO_OUTPUT = "(no output)"
_NO_BEGINNING = "(The beginning of the conversation is left out.)"


class HistoryRules(Struct, frozen=True):
    """What a vendor accepts in a conversation.

    Attributes:
        names: the names of tools, at most 64 characters.
        ids: the ids of tool calls; None accepts every id.
        id_length: the longest id that `ids` accepts.
        user_first: whether the first message must be one of the user.
    """

    names: re.Pattern[str] = NAME
    ids: re.Pattern[str] | None = None
    id_length: int = 64
    user_first: bool = False


def fit_history(
    messages: Sequence[Message], rules: HistoryRules, fit_call: Callable[[ToolCall], ToolCall]
) -> list[Message]:
    """Return the messages with legal and unique ids, one result for each call, and no empty text.

    `fit_call` replaces the name and the arguments of a call. A message that is valid stays the same
    object, and the same conversation always gives the same result.
    """
    fitted: list[Message] = []
    ids = _Ids(rules)
    for index, message in enumerate(messages):
        if message.role == "tool":
            # Taken with the call that it belongs to. A result without one is left out.
            continue
        if message.role == "user":
            fitted.append(_fit_user(message))
        elif message.role == "assistant" and message.tool_calls:
            end = index + 1
            while end < len(messages) and messages[end].role == "tool":
                end += 1
            results = messages[index + 1 : end]
            answered = index + 1 < len(messages)
            fitted += _fit_calls(message, results, ids, fit_call, answered=answered)
        elif message.role != "assistant" or message.content.strip() or message.parts:
            # An answer that was cut before its first word is empty.
            fitted.append(message)
    if rules.user_first and fitted and fitted[0].role != "user":
        fitted.insert(0, Message("user", _NO_BEGINNING))
    return fitted


def _fit_user(message: Message) -> Message:
    """Return a message of the user without blank texts, and with at least one text or medium."""
    parts = tuple(part for part in message.parts if part.type != "text" or part.text.strip())
    content = message.content
    if not content.strip():
        content = "" if parts else _NO_TEXT
    if (content, len(parts)) == (message.content, len(message.parts)):
        return message
    return structs.replace(message, content=content, parts=parts)


def legal_name(name: str, pattern: re.Pattern[str]) -> str:
    """Return a name of a tool in the characters that a vendor accepts."""
    if pattern.fullmatch(name):
        return name
    found = _shortened(_NOT_IN_NAME.sub("_", name) or "unknown", MAX_NAME, name)
    # Gemini wants a letter or `_` at the beginning.
    return found if pattern.fullmatch(found) else _shortened("_" + found, MAX_NAME, name)


def _fit_calls(
    message: Message,
    results: Sequence[Message],
    ids: "_Ids",
    fit_call: Callable[[ToolCall], ToolCall],
    *,
    answered: bool,
) -> list[Message]:
    """Return an answer and the results of its calls, in the order of the calls.

    `answered` says whether messages follow, so that every call needs a result.
    """
    waiting: dict[str, list[Message]] = {}
    for result in results:
        waiting.setdefault(result.tool_call_id, []).append(result)
    calls, answers = [], []
    for call in message.tool_calls:
        fitted = fit_call(call)
        new = ids.take(call.id)
        calls.append(fitted if new == call.id else structs.replace(fitted, id=new))
        found = waiting.get(call.id)
        if found or answered:
            result = found.pop(0) if found else placeholder_result(call)
            answers.append(_fit_result(result, new))
    if any(new is not call for new, call in zip(calls, message.tool_calls, strict=True)):
        message = structs.replace(message, tool_calls=tuple(calls))
    return [message, *answers]


def _fit_result(result: Message, call_id: str) -> Message:
    content = result.content if result.content.strip() else _NO_OUTPUT
    if (content, call_id) == (result.content, result.tool_call_id):
        return result
    return structs.replace(result, content=content, tool_call_id=call_id)


class _Ids:
    """Gives each call of a conversation its id."""

    def __init__(self, rules: HistoryRules) -> None:
        self._rules = rules
        self._taken: set[str] = set()

    def take(self, call_id: str) -> str:
        found = self._legal(call_id or "call", 1)
        number = 1
        while found in self._taken:
            number += 1
            found = self._legal(call_id or "call", number)
        self._taken.add(found)
        return found

    def _legal(self, call_id: str, number: int) -> str:
        """Return the legal id that is tried as number `number` for an id."""
        suffix = f"_{number}" if number > 1 else ""
        pattern, length = self._rules.ids, self._rules.id_length
        if pattern is None or pattern.fullmatch(call_id + suffix):
            return call_id + suffix
        found = _NOT_IN_NAME.sub("_", call_id)
        found = _shortened(found, length - len(suffix), call_id) + suffix
        if pattern.fullmatch(found):
            return found
        return hashlib.sha256(f"{call_id}{suffix}".encode()).hexdigest()[:length]


def _shortened(text: str, length: int, whole: str) -> str:
    """Cut a text that is too long, and end it with a digest of the whole one."""
    if len(text) <= length:
        return text
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST]
    return f"{text[: max(length - _DIGEST - 1, 0)]}_{digest}"
