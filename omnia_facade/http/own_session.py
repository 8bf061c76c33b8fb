"""`PATCH` and `DELETE` of `/api/sessions/{id}`: a user names a session, or ends it."""

from collections.abc import Sequence

import msgspec
from aiohttp import web
from msgspec import Struct

from omnia_core.http.connection import admit
from omnia_core.http.errors import HttpError
from omnia_core.http.head import RequestHead, joined_headers
from omnia_core.jsonvalue import json_bytes
from omnia_core.sessions.given_names import name_problem
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.own_sessions import Change, SessionDirectory
from omnia_facade.entrance.admission import SessionPath
from omnia_facade.http.body import read_body
from omnia_facade.own_sessions import SESSION_PATH, refusal

MAX_BODY_BYTES = 8 * 1024
_METHODS = ("PATCH", "DELETE")


class _Given(Struct):
    """The body of a PATCH."""

    name: str


_decoder = msgspec.json.Decoder(_Given)


class OwnSessionRoute:
    """Changes one session of its user."""

    public = False
    hint = "name a conversation with PATCH /api/sessions/{id}, end it with DELETE"

    def __init__(
        self,
        sessions: SessionDirectory,
        allowed_origins: Sequence[str],
        *,
        local: bool,
        body_seconds: float,
    ) -> None:
        """The origins and `local` as of `SessionPath`; a body may take `body_seconds`."""
        self._sessions = sessions
        self._path = SessionPath(SESSION_PATH, _METHODS, allowed_origins, local)
        self._body_seconds = body_seconds
        self.serves = self._path.serves

    async def answer(self, request: web.BaseRequest, caller: Principal) -> web.StreamResponse:
        headers = joined_headers((name.lower(), value) for name, value in request.headers.items())
        head = RequestHead(request.method, request.path, request.query_string, headers)
        session_id = self._path.session_of(head)
        if head.method == "DELETE":
            change = await self._sessions.delete(session_id, caller)
            body, status = None, 204
        else:
            name = await self._name(request)
            change = await self._sessions.rename(session_id, caller, name)
            body, status = json_bytes({"session_id": session_id, "session_name": name}), 200
        if change is not Change.MADE:
            raise refusal(change)
        return web.Response(
            status=status,
            body=body,
            content_type="application/json" if body else None,
            headers={"Cache-Control": "no-store"},
        )

    async def _name(self, request: web.BaseRequest) -> str:
        admit(request)
        body = await read_body(request, limit=MAX_BODY_BYTES, seconds=self._body_seconds)
        try:
            given = _decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            detail = f'the body is invalid: expected {{"name": "…"}}, found {error}'
            raise HttpError(400, "invalid_request", detail) from error
        name = given.name.strip()
        if problem := name_problem(name):
            raise HttpError(400, "invalid_request", problem)
        return name
