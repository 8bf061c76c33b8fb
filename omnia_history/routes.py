"""The routes of the API and their handlers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from omnia_core.errors import abridged
from omnia_core.http.connection import admit
from omnia_core.http.hosts import ANY_HOST, MISDIRECTED, HostRule
from omnia_core.telemetry.program import program_registry
from omnia_core.tokens.jwt import Unauthorized
from omnia_history import answers, filters, openapi
from omnia_history.access import Access
from omnia_history.answers import RecordPage, Sessions, SessionSums, SessionView, Users
from omnia_history.database import Database, Rows
from omnia_history.filters import (
    PIECE_SIZE,
    Page,
    PieceSize,
    SessionFilter,
    SessionPosition,
    UserPosition,
)
from omnia_history.records import VIEWS, record_view
from omnia_history.refusals import STATUS, Failure, Refused
from omnia_history.turns import TurnsPage, last_ended, turn_views

_OPEN = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths that need no credential."""

# Concurrent searches; the limit leaves database connections for other requests.
MAX_SEARCHES = 2

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = structlog.get_logger()


class Routes:
    """Serves the history of one namespace."""

    def __init__(
        self,
        database: Database,
        namespace: str,
        access: Access | None,
        piece_size: PieceSize = PIECE_SIZE,
        hosts: HostRule = ANY_HOST,
    ) -> None:
        """Bind the handlers; with `access` None, requests need no token.

        `hosts` says which Host headers are served.
        """
        self._database = database
        self._namespace = namespace
        self._access = access
        self._hosts = hosts
        self._piece_size = piece_size
        self._registry = program_registry("history")
        self._search_slots = asyncio.Semaphore(MAX_SEARCHES)

    def application(self) -> web.Application:
        """Build the application with all routes."""
        application = web.Application(middlewares=[self._middleware])
        application.router.add_get("/healthz", _healthy)
        application.router.add_get("/readyz", _healthy)
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/api/v1/sessions", self._sessions)
        application.router.add_get("/api/v1/users", self._users)
        application.router.add_get("/api/v1/users/{id}/sessions", self._sessions_of_user)
        application.router.add_get("/api/v1/sessions/{id}", self._session)
        application.router.add_get("/api/v1/sessions/{id}/turns", self._turns)
        for kind in VIEWS:
            application.router.add_get(
                f"/api/v1/sessions/{{id}}/{kind}", self._records_handler(kind)
            )
        application.router.add_get("/api/v1/aggregates", self._aggregates)
        application.router.add_get("/api/v1/evals/summary", self._eval_summary)
        application.router.add_get(openapi.PATH, self._openapi_document)
        return application

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if not self._hosts.allows(request.headers.get("Host", "")):
                return _answer(Failure("misdirected_request", MISDIRECTED), 421)
            if self._access and request.path not in _OPEN:
                headers = {name.lower(): value for name, value in request.headers.items()}
                await self._access.check(headers)
            admit(request)
            return await handler(request)
        except Unauthorized as error:
            return _answer(Failure("unauthorized", str(error)), 401)
        except Refused as error:
            return _answer(Failure(error.reason, error.detail), STATUS[error.reason])
        except web.HTTPException as error:
            return _answer(
                Failure(error.reason.lower().replace(" ", "_"), abridged(request.path)),
                error.status,
            )
        except Exception:  # noqa: BLE001 - the caller must not see its text
            _log.exception("request failed", path=request.path)
            return _answer(
                Failure("internal", "the request failed; see the log of the history"), 500
            )

    async def _metrics(self, _: web.Request) -> web.Response:
        text = generate_latest(self._registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _sessions(self, request: web.Request) -> web.Response:
        return await self._list(request, filters.session_filter(request.query))

    async def _sessions_of_user(self, request: web.Request) -> web.Response:
        criteria = filters.session_filter(request.query, request.match_info["id"])
        return await self._list(request, criteria)

    async def _users(self, request: web.Request) -> web.Response:
        criteria = filters.user_filter(request.query)
        rows = await self._database.users(self._of(request), criteria)
        shown = rows[: criteria.limit]
        last = None
        if len(rows) > criteria.limit:
            last = filters.cursor(UserPosition(shown[-1]["active_at"], shown[-1]["user_id"]))
        return _answer(Users(list(map(answers.user_view, shown)), last))

    async def _list(self, request: web.Request, criteria: SessionFilter) -> web.Response:
        namespace, last = self._of(request), None
        if criteria.text:
            async with self._search_slots:
                rows, last = await self._database.search(namespace, criteria, self._piece_size)
        else:
            rows = await self._database.sessions(namespace, criteria)
        shown = rows[: criteria.limit]
        if len(rows) > criteria.limit:
            last = SessionPosition(shown[-1]["begun_at"], shown[-1]["key"])
        next_cursor = filters.cursor(last) if last else None
        sums = None
        # A search covers a piece of the list only: what it would sum up is not known.
        if criteria.sums and not criteria.text:
            found = await self._database.session_sums(namespace, criteria)
            sums = SessionSums(**found)
        return _answer(Sessions(list(map(answers.session_view, shown)), next_cursor, sums))

    async def _session(self, request: web.Request) -> web.Response:
        view, _ = await self._find_session(request, filters.page(request.query))
        return _answer(view)

    async def _turns(self, request: web.Request) -> web.Response:
        page = filters.turn_page(request.query)
        session, key = await self._find_session(request, page.session)
        found = turn_views(await self._database.turn_records(key, page))
        last = filters.cursor(last_ended(found, page.after))
        following = filters.cursor(page.last) if session.turns > page.last else None
        return _answer(TurnsPage(found, following, last))

    def _records_handler(self, kind: str) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            page = filters.page(request.query)
            _, key = await self._find_session(request, page)
            rows = await self._database.records(kind, key, page)
            shown = rows[: page.limit]
            last = filters.cursor(shown[-1]["number"] if shown else page.after)
            next_cursor = last if len(rows) > page.limit else None
            return _answer(RecordPage([record_view(kind, row) for row in shown], next_cursor, last))

        return handler

    async def _aggregates(self, request: web.Request) -> web.Response:
        criteria = filters.aggregate_filter(request.query)
        calls = await self._database.calls(self._of(request), criteria)
        turns: Rows = []
        if criteria.group_by in ("agent", "day"):
            turns = await self._database.turns(self._of(request), criteria)
        return _answer(answers.aggregates(criteria.group_by, turns, calls))

    async def _eval_summary(self, request: web.Request) -> web.Response:
        criteria = filters.eval_filter(request.query)
        rows = await self._database.evals(self._of(request), criteria)
        return _answer(answers.eval_summary(criteria.by, criteria.since, rows))

    async def _openapi_document(self, _: web.Request) -> web.Response:
        return _answer(openapi.document(self._namespace, public=self._access is None))

    def _of(self, request: web.Request) -> str:
        """Return the namespace that a request is about.

        Raises:
            Refused: it is another one than that of the history.
        """
        return filters.namespace_of(request.query, self._namespace)

    async def _find_session(self, request: web.Request, page: Page) -> tuple[SessionView, Any]:
        session_id = request.match_info["id"]
        namespace = self._of(request)
        row = await self._database.session(namespace, session_id, page)
        if row is None:
            raise Refused(
                "not_found",
                f'there is no session "{abridged(session_id)}" in the namespace'
                f' "{abridged(namespace)}"; it may have expired and been deleted',
            )
        return answers.session_view(row), row["key"]


async def _healthy(_: web.Request) -> web.Response:
    """Answer 200 even if the database is unreachable: the process reconnects by itself."""
    return web.Response(text="ok\n")


def _answer(value: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )
