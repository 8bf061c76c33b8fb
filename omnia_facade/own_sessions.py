"""`GET /api/sessions`: the conversations of a caller; and the paths of one of them."""

import re
from collections.abc import Iterator, Sequence

from omnia_core.http.errors import HttpError
from omnia_core.http.head import RequestHead
from omnia_core.jsonvalue import JsonObject
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.own_sessions import Change, OwnSession, SessionDirectory, may_list
from omnia_facade.entrance.admission import check_method_and_origin
from omnia_facade.entrance.errors import RETRY_NOW

PATH = "/api/sessions"
SESSION_PATH = re.compile(r"/api/sessions/([A-Za-z0-9._:-]{1,128})")
FORK_PATH = re.compile(SESSION_PATH.pattern + "/fork")
LONGEST = 100
_LONGEST_CURSOR = 1024
_METHODS = ("GET", "HEAD")

_REFUSALS: dict[Change, tuple[int, str, str]] = {
    Change.NOT_FOUND: (
        404,
        "session_not_found",
        (
            "the session is unknown or has expired; with session.type memory only the pod that has"
            " the session knows it"
        ),
    ),
    Change.INVALID: (
        400,
        "invalid_request",
        "the agent does not accept the cursor or the name: expected `next` of an answer, or a line",
    ),
    Change.TURN_RUNNING: (
        409,
        "turn_running",
        "a turn of the session is running: cancel it, or try again when it has ended",
    ),
    Change.UNSUPPORTED: (
        409,
        "sessions_unsupported",
        (
            "the session store of this agent, or its runtime, does not support this; GET /api/agent"
            " lists what they support"
        ),
    ),
    Change.UNAVAILABLE: (
        503,
        "session_store_unavailable",
        "the session store cannot be reached at present; try again",
    ),
}


def serves_session(path: str) -> bool:
    """Whether a path is that of one session, or of its forks."""
    return any(each.fullmatch(path) for each in (SESSION_PATH, FORK_PATH))


def refusal(change: Change) -> HttpError:
    """Return the error for a request that was not `MADE`."""
    headers = RETRY_NOW if change is Change.UNAVAILABLE else {}
    return HttpError(*_REFUSALS[change], headers)


class OwnSessionsList:
    """Answers the requests for the conversations of a caller."""

    status = 200
    hint = f"list your conversations with GET {PATH}"

    def __init__(
        self, sessions: SessionDirectory, allowed_origins: Sequence[str], *, local: bool
    ) -> None:
        """The last two as of `SessionPath`."""
        self._sessions = sessions
        self._allowed_origins = allowed_origins
        self._local = local

    def serves(self, path: str) -> bool:
        return path == PATH

    async def answer(self, head: RequestHead, principal: Principal) -> JsonObject:
        """Return a page.

        Raises:
            HttpError: there is none.
        """
        check_method_and_origin(head, _METHODS, self._allowed_origins, local=self._local)
        if not may_list(principal, local=self._local):
            detail = "a list needs a caller whose credential names a user"
            raise HttpError(403, "not_allowed", detail)
        page = await self._sessions.list(principal, _limit(head), _cursor(head))
        if page.outcome is not Change.MADE:
            raise refusal(page.outcome)
        listed = [dict(_fields(session)) for session in page.sessions]
        return {"sessions": listed, **({"next": page.next} if page.next else {})}


def _limit(head: RequestHead) -> int:
    given = head.parameter("limit")
    if given is None:
        return 0
    if not (given.isascii() and given.isdecimal() and 1 <= int(given[:4]) <= LONGEST):
        raise HttpError(
            400, "invalid_request", f"limit: expected a number from 1 to {LONGEST}, found {given!r}"
        )
    return int(given)


def _cursor(head: RequestHead) -> str:
    given = head.parameter("cursor") or ""
    if len(given) > _LONGEST_CURSOR:
        raise HttpError(400, "invalid_request", "cursor: expected `next` of an earlier answer")
    return given


def _fields(session: OwnSession) -> Iterator[tuple[str, object]]:
    yield "id", session.id
    yield "name", session.name
    yield "begun_at", session.begun_at
    yield "last_at", session.last_at
    yield "ends_at", session.ends_at
    yield "turns", session.turns
    yield "status", session.status
    if session.tokens is not None:
        yield "tokens", session.tokens
    if session.cost_usd is not None:
        yield "cost_usd", session.cost_usd
    if session.first_message:
        yield "first_message", session.first_message
