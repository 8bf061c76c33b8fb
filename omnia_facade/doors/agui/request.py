"""`POST /ag-ui`: a RunAgentInput as a turn."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct, structs

from omnia_core.conversation.parts import Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.errors import abridged
from omnia_core.jsonvalue import TooDeep, check_depth
from omnia_facade.backend.events import RequestTool
from omnia_facade.doors.errors import invalid
from omnia_facade.doors.history import MAX_MESSAGES, SentConversation, SentMessage, divide
from omnia_facade.doors.parts import data_part, media_part, text_part

# The ids of our own tool messages, which a client sends back as if they were its own.
RESULT_PREFIX = "omnia-result-"
MAX_TOOLS = 128
_PARTS = {"image": "image", "audio": "audio", "video": "video", "document": "file"}
# The agent has its own instructions, thoughts and activities.
_SILENT = ("developer", "system", "activity", "reasoning")
_UNTOLD = (b"null", b"{}", b"[]", b'""')


class _Source(Struct):
    type: str
    value: str
    mimeType: str = ""  # noqa: N815 - the protocol's


class _Part(Struct):
    type: str
    text: str = ""
    source: _Source | None = None


class _Function(Struct):
    name: str
    arguments: str = "{}"


class _Call(Struct):
    id: str
    function: _Function


class _Message(Struct):
    role: str
    id: str = ""
    content: Raw = Raw(b"null")
    toolCalls: tuple[_Call, ...] = ()  # noqa: N815 - likewise
    toolCallId: str = ""  # noqa: N815 - likewise
    error: str | None = None


class _Tool(Struct):
    name: str
    description: str = ""
    parameters: Raw = Raw(b"null")


class _Context(Struct):
    value: str
    description: str = ""


class _Resume(Struct):
    interruptId: str  # noqa: N815 - likewise
    status: str
    payload: Raw = Raw(b"null")


class _Input(Struct):
    threadId: str  # noqa: N815 - likewise
    runId: str  # noqa: N815 - likewise
    messages: tuple[_Message, ...] = ()
    tools: tuple[_Tool, ...] = ()
    context: tuple[_Context, ...] = ()
    state: Raw = Raw(b"null")
    forwardedProps: Raw = Raw(b"null")  # noqa: N815 - likewise
    resume: tuple[_Resume, ...] | None = None


_decoder = msgspec.json.Decoder(_Input)
_parts = msgspec.json.Decoder(str | tuple[_Part, ...] | None)


class RunRequest(Struct, frozen=True):
    """A parsed request for a run.

    Attributes:
        thread_id: the session.
        run_id: the client's, which every event of the run repeats.
        context: what the frontend tells the agent about itself, as a part before the message.
        metadata: the strings of `forwardedProps`.
        ignored: the fields that have no effect.
    """

    thread_id: str
    run_id: str
    conversation: SentConversation
    context: tuple[Part, ...]
    metadata: dict[str, str]
    tools: tuple[RequestTool, ...]
    ignored: tuple[str, ...]


def read_run(body: bytes, public_url: str = "") -> RunRequest:
    """Parse the body of a request; `public_url` is the address of this agent.

    Raises:
        DoorFailed: the body is not a RunAgentInput, or there is nothing to answer.
    """
    try:
        check_depth(body)
        given = _decoder.decode(body)
    except TooDeep as error:
        raise invalid(f"the body is {error}") from error
    except msgspec.ValidationError as error:
        raise invalid(f"the body is no RunAgentInput: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid(f"the body is not JSON: {error}") from error
    _check(given)
    messages = [
        message
        for index, sent in enumerate(given.messages)
        if (message := _sent(sent, f"messages[{index}]", public_url)) is not None
    ]
    messages += _resumed(given.resume or ())
    conversation = divide(messages)
    if not conversation.is_new:
        raise invalid(
            "messages: expected a message of the user, or the result of a tool, after the agent's"
            " last message; append it"
        )
    return RunRequest(
        thread_id=given.threadId,
        run_id=given.runId,
        conversation=conversation,
        context=_context(given.context),
        metadata=_strings(given.forwardedProps),
        tools=tuple(_tool(tool, index) for index, tool in enumerate(given.tools)),
        ignored=("state",) if bytes(given.state) not in _UNTOLD else (),
    )


def _check(given: _Input) -> None:
    if not given.runId:
        raise invalid("runId: expected a text that is not empty")
    if len(given.messages) > MAX_MESSAGES:
        raise invalid(
            f"messages: expected at most {MAX_MESSAGES}, found {len(given.messages)}; the server"
            " keeps the history, so send the last ones"
        )
    if len(given.tools) > MAX_TOOLS:
        raise invalid(f"tools: expected at most {MAX_TOOLS}, found {len(given.tools)}; offer fewer")


def _sent(message: _Message, place: str, public_url: str) -> SentMessage | None:
    if message.role in _SILENT or message.id.startswith(RESULT_PREFIX):
        return None
    if message.role not in ("user", "assistant", "tool"):
        raise invalid(
            f"{place}.role: expected developer, system, user, assistant, tool, activity or"
            f' reasoning, found "{abridged(message.role, 64)}"',
            f"{place}.role",
        )
    parts = _content(message.content, f"{place}.content", public_url)
    if message.role == "user":
        return SentMessage("user", parts)
    if message.role == "assistant":
        calls = tuple(
            ToolCall(call.id, call.function.name, call.function.arguments)
            for call in message.toolCalls
        )
        return SentMessage("assistant", parts, calls)
    if not message.toolCallId:
        raise invalid(f"{place}.toolCallId: expected the id of a call", f"{place}.toolCallId")
    return SentMessage("tool", parts, call_id=message.toolCallId, rejection=message.error)


def _content(raw: Raw, place: str, public_url: str) -> tuple[Part, ...]:
    try:
        content = _parts.decode(raw)
    except msgspec.ValidationError as error:
        raise invalid(f"{place}: {error}", place) from error
    if not content:
        return ()
    if isinstance(content, str):
        return (text_part(content),)
    return tuple(_part(part, f"{place}[{index}]", public_url) for index, part in enumerate(content))


def _part(part: _Part, place: str, public_url: str) -> Part:
    if part.type == "text":
        return text_part(part.text)
    kind, source = _PARTS.get(part.type), part.source
    if kind is None:
        raise invalid(
            f"{place}.type: expected text, image, audio, video or document, found"
            f' "{abridged(part.type, 64)}"',
            f"{place}.type",
        )
    if source is not None and source.type == "data":
        found = data_part(source.value, source.mimeType, parameter=f"{place}.source")
    elif source is not None and source.type == "url":
        found = media_part(
            source.value, source.mimeType, parameter=f"{place}.source", public_url=public_url
        )
    else:
        raise invalid(
            f"{place}.source: expected an object of the type data or url", f"{place}.source"
        )
    return structs.replace(found, type=kind)


def _tool(tool: _Tool, index: int) -> RequestTool:
    schema = bytes(tool.parameters)
    if schema == b"null":
        return RequestTool(tool.name, tool.description)
    if not schema.startswith(b"{"):
        raise invalid(f"tools[{index}].parameters: expected a JSON Schema, which is an object")
    return RequestTool(tool.name, tool.description, schema.decode())


def _context(entries: Sequence[_Context]) -> tuple[Part, ...]:
    """Return one part that quotes the context, or none."""
    if not entries:
        return ()
    told = "\n".join(
        f"{entry.description}: {entry.value}" if entry.description else entry.value
        for entry in entries
    )
    quoted = "\n".join(f"> {line}" for line in told.splitlines())
    return (text_part(f"Context from the user's application:\n{quoted}\n\n"),)


def _strings(raw: Raw) -> dict[str, str]:
    value: Any = msgspec.json.decode(raw)
    if not isinstance(value, dict):
        return {}
    return {name: text for name, text in value.items() if isinstance(text, str)}


def _resumed(entries: Sequence[_Resume]) -> list[SentMessage]:
    """Return the answers to interrupts, whose ids are those of tool calls, as tool messages."""
    return [
        SentMessage("tool", (text_part(bytes(entry.payload).decode()),), call_id=entry.interruptId)
        if entry.status == "resolved"
        else SentMessage("tool", call_id=entry.interruptId, rejection="the user cancelled it")
        for entry in entries
    ]
