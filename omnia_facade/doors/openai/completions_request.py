"""`POST /v1/chat/completions`: a request as a turn."""

import msgspec
from msgspec import Raw, Struct

from omnia_core.errors import abridged
from omnia_facade.doors.history import MAX_MESSAGES, SentMessage, divide
from omnia_facade.doors.openai.content import Content, read_content
from omnia_facade.doors.openai.parameters import (
    INSTRUCTING,
    ConversationRequest,
    KnownParameters,
    SentCall,
    calls_of,
    decode,
    ignored,
    metadata_of,
    plain_text_format,
    read_tools,
)
from omnia_facade.doors.openai.refusals import invalid, unsupported

# Parameters with an effect, and those that are accepted because they change nothing.
_USED = frozenset(
    (
        *("model", "messages", "stream", "stream_options", "metadata", "tools", "tool_choice"),
        *("n", "logprobs", "response_format", "modalities"),
    )
)


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Message(Struct):
    role: str
    content: Content = None
    tool_calls: tuple[SentCall, ...] | None = None
    tool_call_id: str | None = None


class _Body(KnownParameters, kw_only=True):
    messages: tuple[_Message, ...]
    stream_options: _StreamOptions | None = None
    n: int | None = None
    logprobs: bool | None = None
    modalities: tuple[str, ...] | None = None


_decoder = msgspec.json.Decoder(_Body)


class CompletionRequest(ConversationRequest, frozen=True, kw_only=True):
    """A parsed request for a chat completion; its messages are the whole conversation."""

    include_usage: bool


def read_completion(body: bytes, public_url: str = "") -> CompletionRequest:
    """Parse the body of a request; `public_url` is the address of this agent.

    Raises:
        DoorFailed: the request is invalid, or asks for what this agent cannot do.
    """
    request, given = decode(body, _decoder)
    _check(request, given)
    metadata, session_id = metadata_of(request.metadata)
    instructed = any(message.role in INSTRUCTING for message in request.messages)
    messages = tuple(
        _sent(message, f"messages[{index}]", public_url)
        for index, message in enumerate(request.messages)
        if message.role not in INSTRUCTING
    )
    conversation = divide(messages)
    if not conversation.is_new:
        raise invalid(
            "messages: expected a message of the user, or the result of a tool, after the last"
            " message of the assistant; append it",
            "messages",
        )
    return CompletionRequest(
        model=request.model or "",
        stream=request.stream or False,
        include_usage=bool(request.stream_options and request.stream_options.include_usage),
        session_id=session_id,
        metadata=metadata,
        messages=messages,
        conversation=conversation,
        tools=read_tools(request.tools or (), given.get("tool_choice")),
        ignored=(*ignored(given, _USED), *(("system",) if instructed else ())),
    )


def _check(request: _Body, given: dict[str, Raw]) -> None:
    """Refuse parameters that would change the form of the answer."""
    if (request.n or 1) != 1:
        raise unsupported("n", f"this agent gives one answer, and {request.n} were asked for")
    if request.logprobs:
        raise unsupported("logprobs", "this agent reports no probabilities; leave it out")
    if "response_format" in given and not plain_text_format(given["response_format"]):
        raise unsupported(
            "response_format",
            "this agent answers with text; for JSON of a schema deploy it as a function",
        )
    if any(modality != "text" for modality in request.modalities or ()) or "audio" in given:
        raise unsupported("modalities", "this agent answers with text; leave it out")
    for name in ("functions", "function_call"):
        if name in given:
            raise unsupported(name, "this parameter is obsolete; use tools")
    if len(request.messages) > MAX_MESSAGES:
        raise invalid(
            f"messages: expected at most {MAX_MESSAGES}, found {len(request.messages)}; the server"
            " keeps the history, so send the last ones with the header Omnia-Session-Id",
            "messages",
        )


def _sent(message: _Message, param: str, public_url: str) -> SentMessage:
    if message.role not in ("user", "assistant", "tool"):
        raise invalid(
            f"{param}.role: expected system, developer, user, assistant or tool, found"
            f' "{abridged(message.role, 64)}"',
            f"{param}.role",
        )
    parts = read_content(message.content, f"{param}.content", public_url)
    if message.role == "user":
        return SentMessage("user", parts)
    if message.role == "assistant":
        return SentMessage("assistant", parts, calls_of(message.tool_calls))
    if not message.tool_call_id:
        raise invalid(f'{param}: a message of a tool needs "tool_call_id"', f"{param}.tool_call_id")
    return SentMessage("tool", parts, call_id=message.tool_call_id)
