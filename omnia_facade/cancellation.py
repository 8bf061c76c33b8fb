"""`POST /sessions/{id}/cancel`: ends the running turn of a session, in whichever pod it runs."""

import re
from collections.abc import Sequence

from omnia_core.http.errors import HttpError
from omnia_core.http.head import RequestHead
from omnia_core.jsonvalue import JsonObject
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.port import Backend, Cancellation
from omnia_facade.entrance.admission import SessionPath
from omnia_facade.entrance.errors import RETRY_NOW

_PATH = re.compile(r"/sessions/([A-Za-z0-9._:-]{1,128})/cancel")

_REFUSALS: dict[Cancellation, tuple[int, str, str]] = {
    Cancellation.NOT_FOUND: (
        404,
        "session_not_found",
        (
            "the session is unknown or has expired; with session.type memory only the pod that has"
            " the session knows it"
        ),
    ),
    Cancellation.NOT_RUNNING: (
        409,
        "no_turn_running",
        "no turn of the session is running: there is nothing to cancel",
    ),
    Cancellation.UNSUPPORTED: (
        409,
        "cancel_unsupported",
        "this agent cancels a turn only for the connection that began it, with a cancel message",
    ),
    Cancellation.UNAVAILABLE: (
        503,
        "session_store_unavailable",
        "the session cannot be looked up at present; try again",
    ),
}


def _refusal(cancellation: Cancellation) -> HttpError:
    headers = RETRY_NOW if cancellation is Cancellation.UNAVAILABLE else {}
    return HttpError(*_REFUSALS[cancellation], headers)


class TurnCancel:
    """Answers the requests to cancel a turn."""

    status = 202
    hint = "cancel a turn with POST /sessions/{id}/cancel"

    def __init__(self, backend: Backend, allowed_origins: Sequence[str], *, local: bool) -> None:
        """The last two as of `SessionPath`."""
        self._backend = backend
        self._path = SessionPath(_PATH, ("POST",), allowed_origins, local)
        self.serves = self._path.serves

    async def answer(self, head: RequestHead, principal: Principal) -> JsonObject:
        """Cancel the turn of an authenticated request; the body of the request is not read.

        Returns:
            The body of the answer, whose status is 202.

        Raises:
            HttpError: the turn is not cancelled.
        """
        session_id = self._path.session_of(head)
        if not session_id:
            raise _refusal(Cancellation.NOT_FOUND)
        cancellation = await self._backend.cancel_turn(session_id, principal)
        if cancellation is not Cancellation.ACCEPTED:
            raise _refusal(cancellation)
        return {"session_id": session_id}
