"""A request of the AI SDK: the messages of its page, of which only the last is new.

https://ai-sdk.dev/docs/ai-sdk-ui/transport, versions 5 to 7.
"""

from typing import Any

import msgspec
from msgspec import Struct, field

from omnia_core.conversation.parts import Part
from omnia_core.jsonvalue import JsonObject, TooDeep, check_depth, json_bytes
from omnia_facade.backend.events import ClientToolResult
from omnia_facade.doors.errors import invalid
from omnia_facade.doors.parts import media_part, require_content, text_part
from omnia_facade.doors.port import DoorTurn
from omnia_facade.doors.sessions import check_session_id

MAX_MESSAGES = 2000
REGENERATE = "regenerate-message"


class UIPart(Struct, frozen=True, rename="camel"):
    """A part of a message: text, a file, or a tool call with its state."""

    type: str
    text: str = ""
    url: str = ""
    media_type: str = ""
    filename: str | None = None
    state: str = ""
    tool_call_id: str = ""
    provider_executed: bool | None = None
    output: Any = None
    error_text: str = ""


class UIMessage(Struct, frozen=True):
    """A message of the page; its parts are read only if it is new."""

    role: str
    id: str = ""
    parts: msgspec.Raw = msgspec.Raw(b"[]")


class ChatBody(Struct, frozen=True, rename="camel"):
    """The body of `POST /api/chat`. Fields that applications add are ignored."""

    messages: list[UIMessage]
    id: str = ""
    session_id: str = ""
    trigger: str = "submit-message"
    message_id: str | None = None
    metadata: JsonObject = field(default_factory=dict)
    consent_grants: tuple[str, ...] = ()


class ChatRequest(Struct, frozen=True, kw_only=True):
    """What the page asks for: a turn, or to go on with one that waits for its tools.

    Attributes:
        results: of the client's tools, all that the last message of the assistant has; empty
            where the last message is the user's.
        ignored: what has no meaning here, for the header Omnia-Ignored.
    """

    session_id: str
    turn: DoorTurn | None
    results: tuple[ClientToolResult, ...] = ()
    ignored: tuple[str, ...] = ()


_decoder = msgspec.json.Decoder(ChatBody)
_parts_decoder = msgspec.json.Decoder(list[UIPart])


def read_request(body: bytes, public_url: str = "") -> ChatRequest:
    """Read the body of `POST /api/chat`.

    Raises:
        DoorFailed: it is not what the AI SDK sends; the message says what was expected.
    """
    try:
        check_depth(body)
        chat = _decoder.decode(body)
    except (TooDeep, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid(f"the body: {error}") from error
    if not chat.messages or len(chat.messages) > MAX_MESSAGES:
        raise invalid(f"messages: expected 1 to {MAX_MESSAGES}", "messages")
    session_id = chat.session_id or chat.id
    if session_id:
        check_session_id(session_id, "id")
    last = chat.messages[-1]
    if last.role == "assistant":
        results = _results(_parts(last, len(chat.messages) - 1))
        return ChatRequest(session_id=session_id, turn=None, results=results)
    return _with_turn(chat, session_id, public_url)


def _with_turn(chat: ChatBody, session_id: str, public_url: str) -> ChatRequest:
    ignored = {"system"} if any(message.role == "system" for message in chat.messages) else set()
    parts: list[Part] = []
    for number, message in _new_messages(chat.messages):
        for place, part in enumerate(_parts(message, number)):
            where = f"messages[{number}].parts[{place}]"
            if part.type == "text":
                parts.append(text_part(part.text))
            elif part.type == "file":
                parts.append(
                    media_part(
                        part.url,
                        part.media_type,
                        parameter=f"{where}.url",
                        filename=part.filename,
                        public_url=public_url,
                    )
                )
            else:
                ignored.add(part.type[:64])
    require_content("", parts, "messages")
    only_text = all(part.type == "text" for part in parts)
    repeats = chat.trigger == REGENERATE or chat.message_id is not None
    turn = DoorTurn(
        session_id=session_id,
        content="\n".join(part.text for part in parts) if only_text else "",
        parts=() if only_text else tuple(parts),
        metadata={name: _metadata(value) for name, value in chat.metadata.items()},
        consent_grants=chat.consent_grants,
        keep=True,
        client_tools=True,
        # An edited message keeps its id, and is another one.
        message_id="" if repeats else chat.messages[-1].id,
    )
    return ChatRequest(session_id=session_id, turn=turn, ignored=tuple(sorted(ignored)))


def _new_messages(messages: list[UIMessage]) -> list[tuple[int, UIMessage]]:
    """Return the user's messages after the last answer: what was before is in the session."""
    new: list[tuple[int, UIMessage]] = []
    for number in range(len(messages) - 1, -1, -1):
        if messages[number].role == "assistant":
            break
        if messages[number].role == "user":
            new.append((number, messages[number]))
    if not new:
        raise invalid('messages: expected the last one to have the role "user"', "messages")
    return new[::-1]


def _parts(message: UIMessage, number: int) -> list[UIPart]:
    try:
        return _parts_decoder.decode(message.parts)
    except msgspec.DecodeError as error:
        raise invalid(f"messages[{number}].parts: {error}", f"messages[{number}].parts") from error


def _results(parts: list[UIPart]) -> tuple[ClientToolResult, ...]:
    """Return the results of the tools that the client executes."""
    results = []
    for part in parts:
        if part.provider_executed or not part.tool_call_id:
            continue
        if part.state == "output-available":
            output = json_bytes(part.output).decode()
            results.append(ClientToolResult(part.tool_call_id, output))
        elif part.state in ("output-error", "output-denied"):
            reason = part.error_text or "the user refused"
            results.append(ClientToolResult(part.tool_call_id, rejection=reason))
    return tuple(results)


def _metadata(value: Any) -> str:
    return value if isinstance(value, str) else json_bytes(value).decode()
