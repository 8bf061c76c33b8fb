"""Begins the run that a client asks for which sends its whole conversation with every request."""

from msgspec import Struct, structs

from omnia_core.conversation.parts import Part
from omnia_core.names import RuntimeCapability
from omnia_facade.backend.events import HistoryMessage
from omnia_facade.backend.port import Backend, Resume
from omnia_facade.doors.errors import UNSUPPORTED_PARAMETER, DoorFailed
from omnia_facade.doors.exchange import Exchange
from omnia_facade.doors.history import SentConversation, results_as_parts, seed, tool_result
from omnia_facade.doors.parts import text_part
from omnia_facade.doors.port import DoorTurn
from omnia_facade.runs.run import Run


class Begun(Struct, frozen=True):
    """A run, and the entry of its log from which on the client has not read it."""

    run: Run
    start: int = 0


async def begin_run(
    exchange: Exchange,
    backend: Backend,
    conversation: SentConversation,
    turn: DoorTurn,
    *,
    is_new: bool = False,
) -> Begun:
    """Go on with the run that waits for the client's results, or begin one.

    Results for which no run waits any more are told to the agent as a message: nothing that the
    client's tools did is lost.

    Args:
        exchange: of the request.
        backend: answers the turn.
        conversation: what was said before, and what is new.
        turn: the turn without its message and history.
        is_new: whether the session is known to be new; otherwise it is looked up.

    Raises:
        DoorFailed: the run cannot begin.
    """
    results = conversation.results
    if results and not conversation.parts and turn.session_id and not is_new:
        run = await exchange.resume(turn.session_id, [tool_result(result) for result in results])
        if run is not None:
            return Begun(run, run.position)
    parts = results_as_parts(conversation) if results else conversation.parts
    history = seed(conversation.before)
    if history and not is_new:
        # An id that the client made may be new all the same.
        probed = await backend.probe(turn.session_id, exchange.request.caller)
        if probed is not Resume.NOT_FOUND:
            history = ()
    if history or turn.tools:
        capabilities = await backend.capabilities()
        if turn.tools and RuntimeCapability.REQUEST_TOOLS not in capabilities:
            raise DoorFailed(
                UNSUPPORTED_PARAMETER,
                "tools: the runtime of this agent takes no tools of a request; declare them in a"
                " ToolRegistry with handlers of the type client, and leave tools out",
                parameter="tools",
            )
        if history and RuntimeCapability.SEED_HISTORY not in capabilities:
            parts, history = (quoted(history), *parts), ()
    run = await exchange.begin(structs.replace(turn, parts=(*turn.parts, *parts), history=history))
    return Begun(run)


def quoted(history: tuple[HistoryMessage, ...]) -> Part:
    """Return a history as a part in front of a message, for a runtime that takes none."""
    lines = [
        f"> {message.role}: {line}" for message in history for line in message.content.splitlines()
    ]
    return text_part("What was said before:\n" + "\n".join(lines) + "\n\n")
