"""The input of a turn: the user's message and its caller."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from omnia_core.conversation.finish_reasons import IMPORTED
from omnia_core.conversation.parts import Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.trial import Trial
from omnia_core.names import METADATA_USER_ID
from omnia_core.sessions import Message
from omnia_core.sessions.records import placeholder_result
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import ClientExecutor


class Caller(Struct, frozen=True):
    """The caller of a turn.

    Attributes:
        metadata: that of the gRPC call.
        client: executes client tools; None if there is no client to do so.
    """

    metadata: Mapping[str, str] = {}
    client: ClientExecutor | None = None

    @property
    def user_id(self) -> str:
        """The ID of the user; "" for an anonymous user."""
        return self.metadata.get(METADATA_USER_ID, "")


class UserTurn(Struct):
    """A message of the user, and the state of its turn while it runs.

    Attributes:
        metadata: that of the message.
        sent: the pieces of the answer sent so far; needed when the turn is cut short.
        traceparent: the span that the turn continues; "" if the message has none.
        history: what was said before, elsewhere; read only when the session is new.
        tools: what the client offers for this turn, and executes itself.
        trial: what the session tries out: given with its first message, known in later ones.
        session_name: the name of the session so far; "" while it has none.
        pack_version: the version of the PromptPack that answers; "" before it is chosen.
    """

    session_id: str
    content: str
    parts: tuple[Part, ...]
    metadata: Mapping[str, str]
    sent: list[str]
    traceparent: str = ""
    history: tuple[Message, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    trial: Trial | None = None
    session_name: str = ""
    pack_version: str = ""

    @property
    def answer(self) -> str:
        """The answer sent so far."""
        return "".join(self.sent)


def user_message(
    turn: UserTurn,
    caller: Caller,
    pack_version: str,
    variant: str,
    variables: Mapping[str, str] | None,
) -> Message:
    """Return the record of the user's message; `pack_version` and `variant` answer it."""
    return Message(
        "user",
        turn.content,
        turn.parts,
        pack_version=pack_version,
        variant=variant,
        user_id=caller.user_id,
        trial=turn.trial,
        variables=variables,
    )


def seeded(turn: UserTurn, caller: Caller, pack_version: str) -> list[Message]:
    """Return the beginning of a new session: what its client says was said before, elsewhere.

    A session belongs to the user of its first message, whoever said it.
    """
    owned = {"pack_version": pack_version, "user_id": caller.user_id}
    return [
        structs.replace(
            message, finish_reason=IMPORTED if message.role == "assistant" else "", **owned
        )
        for message in turn.history
    ]


def close_transcript(
    transcript: Sequence[Message], known: int, answer: str, reason: str
) -> list[Message]:
    """Return the transcript of a turn that was cut short, in a valid state.

    Every tool call gets a result, and the rest of the answer is added with `reason` as its finish
    reason. `answer` is all text of the turn; the text of earlier model calls is already in
    `transcript`, after the `known` messages of earlier turns.
    """
    messages = [*transcript, *map(placeholder_result, _unanswered_calls(transcript))]
    recorded = sum(
        len(message.content) for message in transcript[known:] if message.role == "assistant"
    )
    messages.append(Message("assistant", answer[recorded:], finish_reason=reason))
    return messages


def _unanswered_calls(transcript: Sequence[Message]) -> list[ToolCall]:
    """Return the calls of the last answer without a result.

    Only the last answer counts: vendors use the ID of a call again in later answers.
    """
    answered = set[str]()
    for message in reversed(transcript):
        if message.role != "tool":
            return [call for call in message.tool_calls if call.id not in answered]
        answered.add(message.tool_call_id)
    return []
