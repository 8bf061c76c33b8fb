"""The session of a request: named by the client, or recognised by its messages."""

import secrets
from collections.abc import Sequence

from msgspec import Struct, structs

from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.conversation.tools import ToolCall
from omnia_facade.backend.events import Done, Failed
from omnia_facade.backend.port import Backend
from omnia_facade.doors.conversations import Begun, begin_run
from omnia_facade.doors.exchange import Exchange, Kernel
from omnia_facade.doors.history import SentConversation, SentMessage
from omnia_facade.doors.openai.answers import Answer, Answers, Settle
from omnia_facade.doors.openai.lineage import Continued, Lineage, answer_message, digest_of
from omnia_facade.doors.openai.models import AgentModel
from omnia_facade.doors.openai.stored import StoredResponses
from omnia_facade.doors.port import DoorTurn

SESSION_HEADER = "omnia-session-id"


class OpenAIContext(Struct, frozen=True):
    """What the paths of this door share."""

    kernel: Kernel
    backend: Backend
    model: AgentModel
    lineage: Lineage
    answers: Answers
    stored: StoredResponses


class Conversation(Struct, frozen=True):
    """The conversation of a request.

    Attributes:
        messages: all of it.
        divided: into what was said before, and what is new.
        session_id: as the client named it; "" if it did not.
    """

    messages: Sequence[SentMessage]
    divided: SentConversation
    session_id: str


class Started(Struct, frozen=True):
    """The run of a request, and its next answer."""

    begun: Begun
    answer: Answer


def named_session(exchange: Exchange, in_body: str) -> str:
    """Return the session that a request names: in its header, or in its body."""
    return exchange.request.headers.get(SESSION_HEADER, "") or in_body


async def start(
    exchange: Exchange,
    context: OpenAIContext,
    conversation: Conversation,
    turn: DoorTurn,
    then: Settle,
) -> Started:
    """Begin or continue the run of a request.

    Args:
        exchange: of the request.
        context: of this door.
        conversation: what the client sent.
        turn: the turn without its session, message and history.
        then: called with the end of the answer, after it was made a key.

    Raises:
        DoorFailed: the run cannot begin.
    """
    caller, divided = exchange.request.caller, conversation.divided
    holder = secrets.token_hex(16)
    session_id = conversation.session_id
    continued: Continued | None = None
    if not session_id and divided.before:
        await context.answers.settled()
        continued = await context.lineage.find(caller, digest_of(divided.before), holder)
    if continued:
        session_id = continued.session_id
    changed = structs.replace(turn, session_id=session_id)
    try:
        begun = await begin_run(exchange, context.backend, divided, changed, is_new=not session_id)
    except BaseException:
        await context.lineage.failed(caller, continued)
        raise
    run = begun.run

    async def settle(text: str, outcome: Done | Failed | None, calls: Sequence[ToolCall]) -> None:
        claimed = continued
        if isinstance(outcome, Failed) or (outcome and outcome.finish_reason == CANCELLED):
            # The client may send the same again, to the same session.
            await context.lineage.failed(caller, continued)
            claimed = None
        if not isinstance(outcome, Failed):
            digest = digest_of([*conversation.messages, answer_message(text, calls)])
            await context.lineage.answered(caller, digest, run.session_id, claimed)
        await then(text, outcome, calls)

    return Started(begun, context.answers.begin(run, settle))
