"""Begins a session with the first turns of another one, which stays as it is.

The turns are copied as they were stored, so that the model sees what it saw. Mostly this is one
append. What they cost stays in the audit trail of the session in which they were said: the copy is
appended without one.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec
import structlog
from msgspec import structs

from omnia_core.errors import Code, OmniaError
from omnia_core.sessions import Message, Session, SessionStore
from omnia_core.sessions.audit import timestamp
from omnia_runtime.turns.session_turns import SessionUnknown, require_owner
from omnia_runtime.turns.turn import Caller

_NUMBERED = re.compile(r"(.*) \((\d{1,6})\)", re.DOTALL)

BATCH_BYTES = 8 << 20

_log = structlog.get_logger()


class ForkOutOfRange(OmniaError):
    """The session does not have the requested turns."""

    def __init__(self, wanted: int, expected: str) -> None:
        super().__init__(Code.INVALID_ARGUMENT, f"after_turn: expected {expected}, found {wanted}")


class TurnUnanswered(OmniaError):
    """The last of the turns has no answer yet."""

    def __init__(self, number: int) -> None:
        super().__init__(
            Code.FAILED_PRECONDITION,
            f"turn {number} of the session has no answer yet: wait until it has ended, cancel it,"
            f" or fork after turn {number - 1}",
        )


async def fork(
    store: SessionStore,
    session_id: str,
    new_id: str,
    after_turn: int,
    caller: Caller,
    *,
    batch_bytes: int = BATCH_BYTES,
) -> None:
    """Store the new session.

    Raises:
        SessionUnknown: the session does not exist or belongs to another user.
        ForkOutOfRange: it does not have these turns.
        TurnUnanswered: the last of them is running, or its runtime died.
        StoreUnavailable: the store cannot be reached.
        SessionConflict: there is a session `new_id`.
    """
    session = await store.load(session_id)
    if session is None:
        raise SessionUnknown(session_id)
    require_owner(session, caller)
    length = 0
    # An interruption between two of them leaves a session without a client, which expires.
    for batch in batches(copied(session, after_turn), batch_bytes):
        length = await store.append(new_id, batch, expected_length=length)
    if not session.name:
        return
    try:
        await store.rename(new_id, numbered(session.name), expected_name="")
    except OmniaError as error:
        # The session is there; it gets a name with its next turn.
        _log.warning("name not stored", session=new_id, reason=error.message)


def copied(session: Session, after_turn: int) -> list[Message]:
    """Return the messages of the first turns, as another session has them.

    Raises:
        ForkOutOfRange: the session does not have these turns.
        TurnUnanswered: the last of them has no answer.
    """
    deleted = session.deleted.turns if session.deleted else 0
    if after_turn > session.turns or 0 < after_turn < deleted:
        fewest = f"0, or {deleted} to" if deleted else "0 to"
        raise ForkOutOfRange(after_turn, f"{fewest} {session.turns}, the turns of the session")
    if after_turn == session.turns > 0 and session.answering:
        raise TurnUnanswered(after_turn)
    kept = list(_first_turns(session.messages, after_turn - deleted)) if after_turn else []
    if kept and session.deleted is None:
        return [_copy(message, session.id) for message in kept]
    # The first record of a session says whose it is, and with which version it began. One without
    # turns of its own begins with a summary of nothing, which no model sees.
    first = Message(
        "summary",
        pack_version=session.pack_version,
        user_id=session.user_id,
        trial=session.trial,
        created_at=timestamp(),
    )
    return [first, *(_copy(message, session.id, session.first) for message in kept)]


def batches(messages: Sequence[Message], most: int) -> Iterator[list[Message]]:
    """Yield the messages in appends of about `most` bytes at most: MongoDB limits each to 16 MiB.

    A single message is never divided; it was stored in one append before.
    """
    batch: list[Message] = []
    size = 0
    for message in messages:
        added = len(msgspec.json.encode(message))
        if batch and size + added > most:
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += added
    if batch:
        yield batch


def numbered(name: str) -> str:
    """Return the name of the next session that begins as one of this name: `Desk (2)`."""
    found = _NUMBERED.fullmatch(name)
    return f"{found[1]} ({int(found[2]) + 1})" if found else f"{name} (2)"


def _first_turns(messages: tuple[Message, ...], turns: int) -> Iterator[Message]:
    begun = 0
    for message in messages:
        begun += message.role == "user"
        if begun > turns:
            return
        yield message


def _copy(message: Message, session_id: str, first: int = 0) -> Message:
    """Return a message for the new session; `first` is the position of the first one kept."""
    if message.role == "summary" and first:
        # The new session has one record in place of all that were deleted.
        return structs.replace(message, covers=max(message.covers - first, 0) + 1)
    if message.role == "user":
        return structs.replace(message, forked_from=message.forked_from or session_id)
    return message
