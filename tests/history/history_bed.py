"""A database with sessions, and the history API over it."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from aiohttp.test_utils import TestClient, TestServer
from msgspec import structs

from omnia_core.names import EvalOutcome
from omnia_core.sessions import AuditTrail, EvalResult, Message, SessionSettings, SessionStore
from omnia_core.sessions.audit import EventKind, ProviderCall, RuntimeEvent, ToolExecution
from omnia_core.sessions.mongodb.store import MongoSessionStore
from omnia_core.sessions.postgres.store import PostgresSessionStore
from omnia_core.sessions.sqlite.store import SqliteSessionStore
from omnia_core.units import Duration
from omnia_history.access import Access
from omnia_history.opening import open_database
from omnia_history.routes import Routes
from tests.services import PostgresServer

AT = "2026-03-01T12:00:00Z"
HOUR = Duration.parse("1h")
HELLO = Message("user", "hello", user_id="mia", pack_version="1.0.0")
ANSWER = Message("assistant", "hi", finish_reason="stop")


def audit(
    provider: str, cost: float, *, status: Any = "completed", tag: Any = "agent"
) -> AuditTrail:
    call = ProviderCall(
        AT,
        provider,
        "m-1",
        "success",
        input_tokens=10,
        cost_usd=cost,
        duration_ms=600,
        first_word_ms=412.5,
    )
    tool = ToolExecution(AT, "1", "look_up", "crm", "{}", "success", 3.5)
    events = (RuntimeEvent(AT, EventKind.TURN_BEGAN), RuntimeEvent(AT, EventKind.TURN_ENDED))
    return AuditTrail(status, tag, 1, 900.0, (call,), (tool,), events)


async def fill(url: str) -> str:
    await keep(url, "shop", "s1", audit("default", 0.25))
    await keep(url, "shop", "s2", audit("default", 0.5, status="error"))
    await keep(url, "desk", "s1", audit("fallback", 1.0))
    await keep(url, "desk", "a\0 odd/id", audit("default", 2.0))
    await keep(url, "sum", "call-1", audit("default", 4.0, tag="function"))
    await keep(url, "shop", "theirs", audit("default", 8.0), namespace="other")
    await judge(url, "shop", "s1", result("polite", EvalOutcome.PASSED, 1.0))
    await judge(url, "shop", "s1", result("polite", EvalOutcome.FAILED, 0.25, turn=2))
    await judge(url, "shop", "s1", result("long", EvalOutcome.SCORED, 0.5, variant="canary"))
    await judge(url, "desk", "s1", result("polite", EvalOutcome.ERROR, None))
    await judge(url, "shop", "theirs", result("polite", EvalOutcome.PASSED, 1.0), "other")
    return url


def result(
    evaluation: str, outcome: EvalOutcome, score: float | None, *, turn: int = 1, variant: str = ""
) -> EvalResult:
    return EvalResult(
        session="",
        turn=turn,
        at=AT,
        evaluation=evaluation,
        type="llm_judge",
        trigger="every_turn",
        source="worker",
        outcome=outcome,
        score=score,
        explanation="why",
        error="" if score is not None else "the judge is away",
        cost_usd=0.125,
        judge_model="m-2",
        variant=variant,
        pack_version="1.0.0",
    )


async def judge(
    url: str, agent: str, session_id: str, found: EvalResult, namespace: str = "default"
) -> None:
    store = store_at(url, SessionSettings(ttl=HOUR, namespace=namespace, agent=agent))
    assert await store.add_eval_results([structs.replace(found, session=session_id)]) == 1
    await store.close()


async def database(postgres: PostgresServer, name: str) -> str:
    """Make a database of this file's own: other tests empty the one that they share.

    A worker may run a file in several parts, and its fixtures with each: no name comes twice.
    """
    name = f"{name}_{uuid.uuid4().hex[:8]}"
    connection = await asyncpg.connect(postgres.url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return f"{postgres.url.rpartition('/')[0]}/{name}"


def file_in(folder: Path) -> str:
    """Return the URL of a file that does not exist yet."""
    return f"sqlite://{folder}/{uuid.uuid4().hex}.db"


def store_at(url: str, settings: SessionSettings) -> SessionStore:
    if url.startswith("sqlite://"):
        return SqliteSessionStore(Path(url.removeprefix("sqlite://")), settings)
    if url.startswith("mongodb://"):
        return MongoSessionStore(url, settings)
    return PostgresSessionStore(url, settings)


async def keep(
    url: str, agent: str, session_id: str, what: AuditTrail, namespace: str = "default"
) -> None:
    store = store_at(url, SessionSettings(ttl=HOUR, namespace=namespace, agent=agent))
    await store.append(session_id, [HELLO, ANSWER], expected_length=0, audit=what)
    await store.close()


@asynccontextmanager
async def api(url: str, access: Access | None = None) -> AsyncIterator[TestClient[Any, Any]]:
    readable = open_database(url)
    async with TestClient(TestServer(Routes(readable, "default", access).application())) as client:
        yield client
    await readable.close()


async def get(client: TestClient[Any, Any], path: str, **query: str) -> Any:
    async with client.get(f"/api/v1/{path}", params=query) as response:
        return await response.json()


def ids(answer: Any) -> list[tuple[str, str]]:
    return [(session["agent"], session["id"]) for session in answer["sessions"]]
