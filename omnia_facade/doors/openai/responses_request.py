"""`POST /v1/responses`: a request as a turn."""

import re
from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct, structs

from omnia_core.conversation.parts import Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.errors import abridged
from omnia_facade.doors.history import MAX_MESSAGES, SentMessage, divide
from omnia_facade.doors.openai.content import Content, read_content
from omnia_facade.doors.openai.parameters import (
    INSTRUCTING,
    ConversationRequest,
    KnownParameters,
    decode,
    ignored,
    metadata_of,
    plain_text_format,
    read_tools,
)
from omnia_facade.doors.openai.refusals import invalid, unknown_previous, unsupported

_USED = frozenset(
    (
        *("model", "input", "previous_response_id", "conversation", "stream", "background"),
        *("metadata", "tools", "tool_choice", "text"),
    )
)
_RESPONSE_ID = re.compile(r"resp_([A-Za-z0-9._:-]{1,128})_([0-9a-f]{32})")


class _Conversation(Struct):
    id: str


class _Item(Struct):
    """An item of the input; fields of other types are absent."""

    type: str = "message"
    role: str | None = None
    content: Raw = Raw(b"null")
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: Content = None


class _Text(Struct):
    format: Raw = Raw(b'{"type":"text"}')


class _Body(KnownParameters, kw_only=True):
    input: str | tuple[_Item, ...] | None = None
    previous_response_id: str | None = None
    conversation: str | _Conversation | None = None
    background: bool | None = None
    text: _Text | None = None
    top_logprobs: int | None = None
    instructions: str | None = None


_decoder = msgspec.json.Decoder(_Body)
_content = msgspec.json.Decoder(Content)


class ResponseId(Struct, frozen=True):
    """The id of a response: it names the session whose turn it is."""

    session_id: str
    number: str

    @classmethod
    def parse(cls, text: str) -> "ResponseId | None":
        """Parse an id; None if it is not one of ours."""
        found = _RESPONSE_ID.fullmatch(text)
        return cls(found[1], found[2]) if found else None

    def __str__(self) -> str:
        return f"resp_{self.session_id}_{self.number}"


class ResponseRequest(ConversationRequest, frozen=True, kw_only=True):
    """A parsed request for a response.

    Attributes:
        previous: the response after which the conversation goes on.
        given_metadata: the metadata as they are told back.
        given_tools: likewise.
        input: the input as items, as they are listed later.
    """

    background: bool
    previous: ResponseId | None
    given_metadata: dict[str, str]
    input: Raw


def read_response_request(body: bytes, public_url: str = "") -> ResponseRequest:
    """Parse the body of a request; `public_url` is the address of this agent.

    Raises:
        DoorFailed: the request is invalid, or asks for what this agent cannot do.
    """
    request, given = decode(body, _decoder)
    _check(request, given)
    metadata, session_id = metadata_of(request.metadata)
    previous = _previous(request)
    if request.conversation:
        named = request.conversation
        session_id = named if isinstance(named, str) else named.id
    items = request.input or ()
    if isinstance(items, str):
        items = (_Item(role="user", content=Raw(given["input"])),)
    instructed = any(item.role in INSTRUCTING for item in items)
    messages = _joined(
        message
        for index, item in enumerate(items)
        if (message := _sent(item, f"input[{index}]", public_url)) is not None
    )
    conversation = divide(messages)
    if not conversation.is_new:
        raise invalid(
            "input: expected a message of the user, or the output of a function call, after the"
            " last message of the assistant; append it",
            "input",
        )
    return ResponseRequest(
        model=request.model or "",
        stream=request.stream or False,
        background=request.background or False,
        session_id=session_id,
        previous=previous,
        metadata=metadata,
        given_metadata=request.metadata or {},
        tools=read_tools(request.tools or (), given.get("tool_choice")),
        messages=messages,
        conversation=conversation,
        input=given["input"],
        ignored=(*ignored(given, _USED), *(("system",) if instructed else ())),
    )


def _joined(messages: Iterable[SentMessage]) -> tuple[SentMessage, ...]:
    """Return messages with the calls that follow a message of the assistant as a part of it."""
    joined: list[SentMessage] = []
    for message in messages:
        last = joined[-1] if joined else None
        if last and last.role == message.role == "assistant" and not message.parts:
            joined[-1] = structs.replace(last, calls=(*last.calls, *message.calls))
        else:
            joined.append(message)
    return tuple(joined)


def _check(request: _Body, given: dict[str, Raw]) -> None:
    """Refuse parameters that would change the form of the answer."""
    if request.text and not plain_text_format(request.text.format):
        raise unsupported(
            "text.format",
            "this agent answers with text; for JSON of a schema deploy it as a function",
        )
    if request.top_logprobs:
        raise unsupported("top_logprobs", "this agent reports no probabilities; leave it out")
    if "prompt" in given:
        raise unsupported("prompt", "the agent has its own prompt; send the input alone")
    if isinstance(request.input, tuple) and len(request.input) > MAX_MESSAGES:
        raise invalid(
            f"input: expected at most {MAX_MESSAGES} items, found {len(request.input)}; the server"
            " keeps the history, so send new items alone with previous_response_id",
            "input",
        )


def _previous(request: _Body) -> ResponseId | None:
    text = request.previous_response_id
    if not text:
        return None
    if request.conversation:
        raise invalid(
            "conversation: expected either this or previous_response_id, found both; leave one out",
            "conversation",
            "mutually_exclusive_parameters",
        )
    previous = ResponseId.parse(text)
    if previous is None:
        raise unknown_previous(text)
    return previous


def _sent(item: _Item, param: str, public_url: str) -> SentMessage | None:
    """Return an item as a message; None for instructions and for what says nothing to an agent."""
    if item.type == "message":
        return _message(item, param, public_url)
    if item.type == "function_call":
        if not item.call_id or not item.name:
            raise invalid(f'{param}: expected "call_id" and "name"', param)
        call = ToolCall(item.call_id, item.name, item.arguments or "{}")
        return SentMessage("assistant", calls=(call,))
    if item.type == "function_call_output":
        if not item.call_id:
            raise invalid(f'{param}: expected "call_id"', param)
        parts = read_content(item.output, f"{param}.output", public_url)
        return SentMessage("tool", parts, call_id=item.call_id)
    if item.type == "item_reference":
        raise unsupported(
            param, "items cannot be referred to; send the item, or previous_response_id"
        )
    # Reasoning, and the calls of tools that another server executed.
    return None


def _message(item: _Item, param: str, public_url: str) -> SentMessage | None:
    if item.role in INSTRUCTING:
        return None
    if item.role not in ("user", "assistant"):
        raise invalid(
            f"{param}.role: expected system, developer, user or assistant, found"
            f' "{abridged(item.role or "", 64)}"',
            f"{param}.role",
        )
    parts = _read_raw(item.content, f"{param}.content", public_url)
    return SentMessage("user" if item.role == "user" else "assistant", parts)


def _read_raw(raw: Raw, param: str, public_url: str) -> tuple[Part, ...]:
    try:
        content = _content.decode(raw)
    except msgspec.ValidationError as error:
        raise invalid(f"{param}: {error}", param, "invalid_type") from error
    return read_content(content, param, public_url)
