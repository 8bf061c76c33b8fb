"""The addresses of the API."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog
from aiohttp import web

from omnia_core.tokens.jwt import Unauthorized
from omnia_history import answers, filters, openapi, queries, search
from omnia_history.access import Access
from omnia_history.answers import Aggregates, Records, Sessions, SessionView
from omnia_history.database import Database
from omnia_history.filters import After, Page, SessionFilter
from omnia_history.queries import RECORDS
from omnia_history.records import record_view
from omnia_history.refusals import STATUS, Failure, Refused
from omnia_history.search import PIECE, Piece

# At the same time, so that they leave connections to all else.
SEARCHES = 2

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Rows = Sequence[Mapping[str, Any]]

_log = structlog.get_logger()


class Routes:
    """Answers what is asked about one namespace."""

    def __init__(
        self, database: Database, namespace: str, access: Access | None, piece: Piece = PIECE
    ) -> None:
        """Take what answers; `access` is None where nobody needs a token."""
        self._database = database
        self._namespace = namespace
        self._access = access
        self._piece = piece
        self._searching = asyncio.Semaphore(SEARCHES)

    def application(self) -> web.Application:
        """Return the application."""
        made = web.Application(middlewares=[self._guarded])
        made.router.add_get("/healthz", _alive)
        made.router.add_get("/readyz", _alive)
        made.router.add_get("/api/v1/sessions", self._sessions)
        made.router.add_get("/api/v1/sessions/{id}", self._session)
        for kind in RECORDS:
            made.router.add_get(f"/api/v1/sessions/{{id}}/{kind}", self._records(kind))
        made.router.add_get("/api/v1/aggregates", self._aggregates)
        made.router.add_get(openapi.PATH, self._document)
        return made

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if self._access and request.path not in ("/healthz", "/readyz"):
                headers = {name.lower(): value for name, value in request.headers.items()}
                await self._access.check(headers)
            return await handler(request)
        except Unauthorized as error:
            return _answer(Failure("unauthorized", str(error)), 401)
        except Refused as error:
            return _answer(Failure(error.reason, error.detail), STATUS[error.reason])
        except web.HTTPException as error:
            return _answer(
                Failure(error.reason.lower().replace(" ", "_"), request.path), error.status
            )
        except Exception:  # noqa: BLE001 - whatever it is, its text stays in the log
            _log.exception("a request failed", path=request.path)
            return _answer(Failure("internal", "the log has the reason"), 500)

    async def _sessions(self, request: web.Request) -> web.Response:
        wanted = filters.session_filter(request.query)
        last: After | None = None
        if wanted.said:
            async with self._searching:
                rows, last = await self._searched(wanted)
        else:
            rows = await self._database.fetch(queries.sessions(self._namespace, wanted))
        shown = rows[: wanted.limit]
        if len(rows) > wanted.limit:
            last = After(shown[-1]["begun_at"], shown[-1]["key"])
        following = filters.cursor(last) if last else None
        return _answer(Sessions(list(map(answers.session_view, shown)), following))

    async def _searched(self, wanted: SessionFilter) -> tuple[Rows, After | None]:
        """Return what is found in the next piece of the list, and its end unless it is the last."""
        found = await self._database.fetch(search.piece(self._namespace, wanted, self._piece))
        if not found:
            return [], None
        last = After(found[0]["begun_at"], found[0]["key"])
        rows = await self._database.fetch(search.sessions(self._namespace, wanted, last))
        return rows, last if found[0]["more"] else None

    async def _session(self, request: web.Request) -> web.Response:
        view, _ = await self._found(request, filters.page(request.query))
        return _answer(view)

    def _records(self, kind: str) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            wanted = filters.page(request.query)
            _, key = await self._found(request, wanted)
            rows = await self._database.fetch(queries.records(kind, key, wanted))
            shown = rows[: wanted.limit]
            last = filters.cursor(shown[-1]["number"] if shown else wanted.after)
            following = last if len(rows) > wanted.limit else None
            return _answer(Records([record_view(kind, row) for row in shown], following, last))

        return handler

    async def _aggregates(self, request: web.Request) -> web.Response:
        wanted = filters.aggregate_filter(request.query)
        calls = await self._database.fetch(queries.calls(self._namespace, wanted))
        turns = []
        if wanted.group_by in ("agent", "day"):
            turns = list(await self._database.fetch(queries.turns(self._namespace, wanted)))
        found: Aggregates = answers.aggregates(wanted.group_by, turns, calls)
        return _answer(found)

    async def _document(self, _: web.Request) -> web.Response:
        return _answer(openapi.document(self._namespace, public=self._access is None))

    async def _found(self, request: web.Request, wanted: Page) -> tuple[SessionView, int]:
        session_id = request.match_info["id"]
        rows = await self._database.fetch(queries.session(self._namespace, session_id, wanted))
        if not rows:
            raise Refused(
                "not_found",
                f'there is no session "{session_id}" in the namespace "{self._namespace}", or it'
                " has expired and was deleted",
            )
        return answers.session_view(rows[0]), rows[0]["key"]


async def _alive(_: web.Request) -> web.Response:
    """Say that requests are answered, be it that the database is away."""
    return web.Response(text="ok\n")


def _answer(value: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )
