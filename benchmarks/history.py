"""How fast the history answers with 1,000,000 messages, as `make bench-history` prints it.

A PostgreSQL of its own is filled with sessions as appends leave them: 100,000 sessions of 20 agents
over 90 days, five turns each, with calls of models and events, and the rows of each day. Then the
API is asked over HTTP, and the database for the plans of the same queries.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
from aiohttp.test_utils import TestClient, TestServer

from omnia_core.sessions.latency import BUCKETS
from omnia_core.sessions.postgres.migrations import migrate
from omnia_history import queries, search
from omnia_history.filters import (
    PIECE_SIZE,
    SessionPosition,
    aggregate_filter,
    session_filter,
    user_filter,
)
from omnia_history.postgres import PostgresDatabase
from omnia_history.routes import Routes
from tests.services import postgres_server

GOAL_MS = 100.0
NAMESPACE = "default"
MESSAGES_OF_A_SESSION = 10
EARLIER = datetime(2000, 1, 1, tzinfo=UTC)
PATHS = (
    "sessions",
    "sessions?limit=500",
    "sessions?agent=agent-7",
    "sessions?agent=agent-7&status=error",
    "sessions?tag=function",
    "sessions?status=error",
    "sessions?status=cancelled",
    "sessions?user=user-77",
    "sessions?user=nobody",
    "sessions?name=nobody",
    "users",
    "users/user-77/sessions",
    "sessions?from={middle}&to={after}",
    "sessions?q=what was said",
    "sessions?q=nobody said this",
    "sessions?q=nobody said this&agent=agent-7",
    "sessions/{session}",
    "sessions/{session}/messages",
    "sessions/{session}/provider-calls",
    "sessions/{session}/events",
    "aggregates?group_by=agent",
    "aggregates?group_by=model",
    "aggregates?group_by=provider",
    "aggregates?group_by=day",
    "aggregates?group_by=day&agent=agent-7",
)

# $1 is the number of sessions. Every tenth agent is a function; a hundredth of the sessions failed.
_SESSIONS = """
INSERT INTO omnia.sessions (
    namespace, agent, id, length, begun_at, active_at, expires_at, tag, user_id, status, turns,
    provider_calls, provider_errors, input_tokens, output_tokens, cost_usd
)
SELECT 'default', 'agent-' || n % 20, 'session-' || n, 10, at, at + interval '5 min',
    now() + interval '1 day', CASE WHEN n % 20 < 2 THEN 'function' ELSE 'agent' END,
    CASE WHEN n % 3 = 0 THEN '' ELSE 'user-' || n % 5000 END,
    CASE WHEN n % 100 = 0 THEN 'error' ELSE 'completed' END, 5, 5, 0, 500, 250, 0.01
FROM generate_series(1, $1::integer) AS n,
    LATERAL (SELECT now() - interval '90 days' * (1 - n::float / $1) AS at) AS moment
"""
_REST = """
INSERT INTO omnia.messages (session, position, append, role, pack_version, record)
SELECT key, position, gen_random_uuid(),
    said.role, '1.0.0',
    convert_to(
        '{"role":"' || said.role || '","content":"' || repeat('What was said here. ', 10) || '"}',
        'UTF8'
    )
FROM omnia.sessions, generate_series(0, 9) AS position,
    LATERAL (SELECT CASE WHEN position % 2 = 0 THEN 'user' ELSE 'assistant' END AS role) AS said;

INSERT INTO omnia.provider_calls (
    session, turn, began_at, provider, model, status, fault, attempt, input_tokens,
    output_tokens, cached_tokens, cost_usd, duration_ms
)
SELECT key, turn, begun_at, 'default', 'model-' || key % 3, 'success', '', 1, 100, 50, 0, 0.002, 800
FROM omnia.sessions, generate_series(1, 5) AS turn;

INSERT INTO omnia.runtime_events (session, turn, at, kind, detail)
SELECT key, turn, begun_at, kind, ''
FROM omnia.sessions, generate_series(1, 5) AS turn,
    unnest(ARRAY['turn_began', 'turn_ended']) AS kind;
"""
# $1 is the number of buckets. Keys and agents go round together, so the slots are spread anew.
_TURNS_OF_DAYS = """
INSERT INTO omnia.daily_turns (namespace, day, agent, slot, turns, errors, buckets)
SELECT namespace, begun_at::date, agent, key / 20 % 2, count(*) * 5, 0,
    array_fill(count(*)::integer, ARRAY[$1::integer])
FROM omnia.sessions GROUP BY 1, 2, 3, 4
"""
_CALLS_OF_DAYS = """
INSERT INTO omnia.daily_calls (
    namespace, day, agent, provider, model, slot, calls, errors, input_tokens, output_tokens,
    cached_tokens, cost_usd, buckets
)
SELECT namespace, begun_at::date, agent, 'default', 'model-' || key % 3, key / 20 % 2,
    count(*) * 5, 0, count(*) * 500, count(*) * 250, 0, count(*) * 0.01,
    array_fill(count(*)::integer, ARRAY[$1::integer])
FROM omnia.sessions GROUP BY 1, 2, 3, 4, 5, 6
"""


async def measure(url: str, messages: int, runs: int) -> bool:
    """Fill the database, print plans and times; return whether every answer came in time."""
    connection = await asyncpg.connect(url)
    await migrate(connection)
    began = time.perf_counter()
    await connection.execute(_SESSIONS, messages // MESSAGES_OF_A_SESSION)
    await connection.execute(_REST)
    await connection.execute(_TURNS_OF_DAYS, BUCKETS)
    await connection.execute(_CALLS_OF_DAYS, BUCKETS)
    await connection.execute("VACUUM ANALYZE")
    count = await connection.fetchval("SELECT count(*) FROM omnia.messages")
    print(f"{count:,} messages, filled in {time.perf_counter() - began:.0f} s\n")
    for title, query in _shown():
        print(f"-- {title}")
        statement, arguments = query
        for row in await connection.fetch(f"EXPLAIN (ANALYZE, COSTS OFF) {statement}", *arguments):
            print(f"   {row[0]}"[:160])
    middle = await connection.fetchval("SELECT now() - interval '45 days'")
    await connection.close()
    day = middle.strftime("%Y-%m-%d")
    session = f"session-{messages // MESSAGES_OF_A_SESSION // 2}"
    return await _answers(url, runs, session=session, middle=day, after=f"{day}T23:59:59Z")


def _shown() -> list[tuple[str, queries.Query]]:
    dialect = PostgresDatabase.dialect
    wanted = session_filter({"q": "nobody said this", "agent": "agent-7"})
    listed = {
        "sessions": {},
        "sessions?status=error": {"status": "error"},
        "sessions?tag=function": {"tag": "function"},
        "sessions?name=…": {"name": "nobody named this"},
    }
    return [
        *(
            (name, queries.sessions(NAMESPACE, session_filter(query), dialect))
            for name, query in listed.items()
        ),
        ("users", queries.users(NAMESPACE, user_filter({}))),
        (
            "sessions?q=…, its piece",
            search.last_of_piece(NAMESPACE, wanted, PIECE_SIZE, dialect),
        ),
        ("sessions?q=…", search.sessions(NAMESPACE, wanted, SessionPosition(EARLIER, 0), dialect)),
        (
            "aggregates, calls",
            queries.calls(NAMESPACE, aggregate_filter({"group_by": "model"}), dialect),
        ),
        (
            "aggregates, turns",
            queries.turns(NAMESPACE, aggregate_filter({"group_by": "day"}), dialect),
        ),
    ]


async def _answers(url: str, runs: int, **values: str) -> bool:
    database, late = PostgresDatabase(url), 0
    application = Routes(database, NAMESPACE, None).application()
    print(f"\nload of the machine {os.getloadavg()[0]:.1f}, on {os.cpu_count()} cores")
    print(f"{'over HTTP, ms':<60} {'median':>8} {'slowest':>8}")
    async with TestClient(TestServer(application)) as client:
        for path in PATHS:
            times = []
            for _ in range(runs):
                began = time.perf_counter()
                async with client.get(f"/api/v1/{path.format(**values)}") as response:
                    await response.read()
                    response.raise_for_status()
                times.append((time.perf_counter() - began) * 1000)
            late += statistics.median(times) > GOAL_MS
            print(f"{path:<60} {statistics.median(times):>8.1f} {max(times):>8.1f}")
    await database.close()
    print(f"\ngoal: each median under {GOAL_MS:.0f} ms; {'met' if not late else 'NOT MET'}")
    return not late


def main() -> int:
    """Run the benchmark; return 1 when an answer is late."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=20, help="requests of each kind")
    given = parser.parse_args()
    programs = max(each.parent for each in Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    with postgres_server(programs) as server:
        return 0 if asyncio.run(measure(server.url, given.messages, given.runs)) else 1


if __name__ == "__main__":
    sys.exit(main())
