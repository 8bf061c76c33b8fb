"""`POST /api/sessions/{id}/fork`: a session that begins with the first turns of another one."""

from collections.abc import Sequence

import msgspec
from aiohttp import web
from msgspec import Struct

from omnia_core.http.connection import admit
from omnia_core.http.errors import HttpError
from omnia_core.http.head import RequestHead, joined_headers
from omnia_core.jsonvalue import json_bytes
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.port import Backend, Forked, ForkState, NewId
from omnia_facade.entrance.admission import SessionPath
from omnia_facade.entrance.errors import RETRY_NOW
from omnia_facade.http.body import read_body
from omnia_facade.own_sessions import FORK_PATH

MAX_BODY_BYTES = 1024
# More turns than a session has; the number on the wire has 32 bits.
_MAX_TURN = 2**31 - 1


class _Body(Struct):
    after_turn: int


class ForkRoute:
    """Begins a session with the first turns of another one."""

    public = False
    hint = "fork a conversation with POST /api/sessions/{id}/fork"

    def __init__(
        self,
        backend: Backend,
        new_id: NewId,
        allowed_origins: Sequence[str],
        *,
        local: bool,
        body_seconds: float,
    ) -> None:
        """The origins and `local` as of `SessionPath`; a body may take `body_seconds`."""
        self._backend = backend
        self._new_id = new_id
        self._path = SessionPath(FORK_PATH, ("POST",), allowed_origins, local)
        self._body_seconds = body_seconds
        self.serves = self._path.serves

    async def answer(self, request: web.BaseRequest, caller: Principal) -> web.StreamResponse:
        headers = joined_headers((name.lower(), value) for name, value in request.headers.items())
        head = RequestHead(request.method, request.path, request.query_string, headers)
        session_id = self._path.session_of(head)
        if not session_id:
            raise _refusal(Forked(ForkState.NOT_FOUND))
        admit(request)
        body = await read_body(request, limit=MAX_BODY_BYTES, seconds=self._body_seconds)
        forked = await self._backend.fork(session_id, caller, _after_turn(body), self._new_id)
        if forked.state is not ForkState.CREATED:
            raise _refusal(forked)
        return web.Response(
            status=201,
            body=json_bytes({"session_id": forked.session_id}),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )


def _after_turn(body: bytes) -> int:
    """Return after how many turns the new session goes on."""
    try:
        number = msgspec.json.decode(body, type=_Body).after_turn
    except msgspec.DecodeError as error:
        raise _invalid(f'expected {{"after_turn": 2}} as JSON: {error}') from None
    if not 0 <= number <= _MAX_TURN:
        raise _invalid(f"after_turn: expected a number of turns from 0 on, found {number}")
    return number


def _invalid(detail: str) -> HttpError:
    return HttpError(400, "invalid_request", detail)


def _refusal(forked: Forked) -> HttpError:
    match forked.state:
        case ForkState.NOT_FOUND:
            detail = (
                "the session is unknown or has expired; with session.type memory only the pod that"
                " has the session knows it"
            )
            return HttpError(404, "session_not_found", detail)
        case ForkState.TURN_RUNNING:
            return HttpError(409, "turn_running", forked.detail)
        case ForkState.OUT_OF_RANGE:
            return _invalid(forked.detail)
        case ForkState.UNSUPPORTED:
            detail = "this agent forks no sessions: its runtime cannot"
            return HttpError(409, "fork_unsupported", detail)
        case _:
            detail = "the session cannot be read at present; try again"
            return HttpError(503, "session_store_unavailable", detail, RETRY_NOW)
