"""The last turns of a stored session, as a client may see them."""

from collections.abc import Iterator

from msgspec import structs

from omnia_core.conversation.parts import Media, Part
from omnia_core.names import INLINE_VERSION
from omnia_core.sessions.records import Message, Session, is_placeholder
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.server.mapping import part_message
from omnia_runtime.server.trails import NOTHING, TurnRecords, add_recorded

# Without a number of turns, and at most.
MAX_TURNS = 100
# UTF-8 has four bytes for a character at most: a response of half the largest message.
MAX_CHARACTERS = 2 * 1024 * 1024
_CUT = "…"


def conversation_response(
    session: Session,
    last_turns: int,
    *,
    show_tools: bool,
    recorded: TurnRecords = NOTHING,
    characters: int = MAX_CHARACTERS,
) -> pb.ReadConversationResponse:
    """Return the last turns, without summaries and placeholders, and what is recorded of them.

    A text that does not fit into the response is cut, and turns before it are only counted.
    """
    turns = list(_turns([*session.messages, *session.interrupted]))
    found: list[pb.ConversationMessage] = []
    left, given = characters, 0
    for turn in reversed(turns[-min(last_turns or MAX_TURNS, MAX_TURNS) :]):
        if left <= 0:
            break
        messages = []
        for message in turn:
            if not show_tools and message.role == "tool":
                continue
            made = _message(message, max(left, 0), show_tools=show_tools)
            left -= len(made.content) + sum(len(call.arguments_json) for call in made.tool_calls)
            left -= len(made.tool_result.result_json)
            left -= sum(map(len, made.variables.values.values()))
            # A user's message begins its turn, even an empty one.
            if made.role != "assistant" or made.content or made.parts or made.tool_calls:
                messages.append(made)
        found = [*messages, *found]
        given += 1
    deleted = session.deleted.turns if session.deleted else 0
    response = pb.ReadConversationResponse(
        state=pb.RESUME_STATE_RESUMABLE,
        session_name=session.name,
        messages=found,
        earlier_turns=len(turns) - given + deleted,
    )
    add_recorded(response, session, recorded, show_tools=show_tools)
    return response


def _turns(messages: list[Message]) -> Iterator[list[Message]]:
    """Yield the messages of each turn. What follows deleted messages belongs to none."""
    turn: list[Message] = []
    for message in messages:
        if message.role == "summary" or _fills_a_gap(message):
            continue
        if message.role == "user":
            if turn:
                yield turn
            turn = [message]
        elif turn:
            turn.append(message)
    if turn:
        yield turn


def _fills_a_gap(message: Message) -> bool:
    """Whether a message was added for the model, and says nothing."""
    return is_placeholder(message) and (message.role == "tool" or not message.content)


def _message(message: Message, room: int, *, show_tools: bool) -> pb.ConversationMessage:
    text = message.content if len(message.content) <= room else message.content[:room] + _CUT
    made = pb.ConversationMessage(
        role=message.role,
        parts=[part_message(_without_data(part)) for part in message.parts if part.media],
        finish_reason=message.finish_reason,
        created_at=message.created_at,
        pack_version=message.pack_version if message.pack_version != INLINE_VERSION else "",
        variant=message.variant,
    )
    if message.variables is not None and sum(map(len, message.variables.values())) <= room:
        made.variables.CopyFrom(pb.KeptVariables(values=message.variables))
    if message.role == "tool":
        made.tool_result.id = message.tool_call_id
        made.tool_result.result_json = text
        made.tool_result.is_error = message.is_error
    else:
        made.content = text
    if show_tools:
        for call in message.tool_calls:
            arguments = call.arguments if len(call.arguments) <= room else "{}"
            made.tool_calls.add(id=call.id, name=call.name, arguments_json=arguments)
    return made


def _without_data(part: Part) -> Part:
    media = part.media or Media()
    url = "" if media.url.startswith("data:") else media.url
    return structs.replace(part, media=structs.replace(media, data="", url=url))
