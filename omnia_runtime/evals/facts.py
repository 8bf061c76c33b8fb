"""What an evaluation may look at."""

from collections.abc import Sequence

from msgspec import Struct

from omnia_core.conversation.usage import Usage
from omnia_core.sessions import Message


class CallFact(Struct, frozen=True):
    """A tool call with its result.

    Attributes:
        turn: the number of the turn in its session, from 1.
        arguments: JSON text.
    """

    turn: int
    name: str
    arguments: str
    result: str = ""
    is_error: bool = False


class Facts(Struct, frozen=True):
    """A turn and the session up to its end.

    Attributes:
        turn: the number of the turn, from 1.
        output: its answer.
        messages: the session's, up to the end of this turn.
        calls: of all turns.
        usage: of this turn; None if it is not known.
        latency_ms: of this turn; None if it is not known.
        blocked: the type of the validator that blocked the answer, "" if none did; None if it is
            not known.
        variant: which variant of the agent answered; "" for the stable one.
    """

    session_id: str
    turn: int
    output: str
    messages: Sequence[Message]
    calls: Sequence[CallFact]
    usage: Usage | None = Usage()
    latency_ms: float | None = None
    blocked: str | None = ""
    variant: str = ""

    @property
    def question(self) -> str:
        """What the user said last."""
        said = (each.content for each in reversed(self.messages) if each.role == "user")
        return next(said, "")

    def calls_of(self, *, session: bool) -> Sequence[CallFact]:
        """Return the calls of the session, or of this turn."""
        return self.calls if session else [call for call in self.calls if call.turn == self.turn]

    def answers(self, *, session: bool) -> Sequence[str]:
        """Return the answers of the session, or that of this turn."""
        if not session:
            return [self.output]
        return [message.content for message in self.messages if message.role == "assistant"]


def calls_in(messages: Sequence[Message], turn: int = 0) -> list[CallFact]:
    """Return the tool calls in their order, with their results; `turn` turns came before."""
    results = {each.tool_call_id: each for each in messages if each.role == "tool"}
    calls = []
    for message in messages:
        turn += message.role == "user"
        for call in message.tool_calls:
            result = results.get(call.id)
            calls.append(
                CallFact(
                    turn,
                    call.name,
                    call.arguments,
                    result.content if result else "",
                    is_error=result.is_error if result else False,
                )
            )
    return calls
