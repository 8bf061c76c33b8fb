"""The contract of signals, which every store with signals passes, and what one driver alone has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress

import pytest
from redis.asyncio import Redis

from omnia_core.sessions import SessionSettings, SessionStore, StoreUnavailable
from omnia_core.sessions.postgres.store import PostgresSessionStore
from omnia_core.sessions.redis.store import RedisSessionStore
from omnia_core.sessions.signals import CANCEL, KEPT_SECONDS, Signal, Signals
from omnia_core.units import Duration
from tests.core.session_beds import SIGNALLING, Bed, bed_of, connected
from tests.loopback_proxy import Proxy
from tests.services import LIMIT, PostgresServer

FIRST = Signal("a", CANCEL, "mia", 3)
PROBE = Signal("is anybody there", CANCEL, "", 0)
SECOND = Signal("{b}\0\\0 🙂", CANCEL, "", 5)


@pytest.fixture(params=SIGNALLING)
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    async with bed_of(request.param, request) as made:
        yield made


def signals_of(store: SessionStore) -> Signals:
    assert store.signals
    return store.signals


@asynccontextmanager
async def heard(signals: Signals) -> AsyncIterator["asyncio.Queue[Signal]"]:
    """Listen inside the block, which begins when signals arrive."""
    queue = asyncio.Queue[Signal]()
    hears = asyncio.Event()

    async def listen() -> None:
        async with aclosing(signals.listen()) as listened:
            async for signal in listened:
                if signal.session_id == PROBE.session_id:
                    hears.set()
                else:
                    queue.put_nowait(signal)

    task = asyncio.create_task(listen())
    try:
        async with asyncio.timeout(LIMIT):
            while not hears.is_set():
                await signals.send(PROBE)
                with suppress(TimeoutError):
                    await asyncio.wait_for(hears.wait(), 0.2)
        yield queue
    finally:
        task.cancel()
        await asyncio.wait({task})


async def following(queue: "asyncio.Queue[Signal]") -> Signal:
    async with asyncio.timeout(LIMIT):
        return await queue.get()


async def test_a_signal_reaches_the_listeners_of_every_pod(bed: Bed) -> None:
    async with heard(signals_of(bed.store)) as one, heard(signals_of(bed.other)) as other:
        for signal in (FIRST, SECOND):
            await signals_of(bed.other).send(signal)
            assert await following(one) == signal
            assert await following(other) == signal


async def test_a_listener_that_connects_a_moment_late_gets_the_signal(bed: Bed) -> None:
    await signals_of(bed.store).send(FIRST)
    async with heard(signals_of(bed.other)) as queue:
        assert await following(queue) == FIRST


async def test_of_signals_for_a_session_the_last_is_for_its_later_turn(bed: Bed) -> None:
    later = Signal("a", CANCEL, "mia", 5)
    async with heard(signals_of(bed.store)) as queue:
        await signals_of(bed.other).send(FIRST)
        await signals_of(bed.other).send(later)
        received = {await following(queue)}
        while later not in received:
            received.add(await following(queue))
    assert received <= {FIRST, later}


async def test_many_signals_at_once_all_arrive(bed: Bed) -> None:
    sent = {Signal(f"s{number}", CANCEL, "mia", number) for number in range(100)}
    async with heard(signals_of(bed.store)) as queue:
        await asyncio.gather(*(signals_of(bed.other).send(signal) for signal in sent))
        received = {await following(queue)}
        while received != sent:
            received.add(await following(queue))


async def test_agents_hear_their_own_signals_only(redis_url: str, postgres: PostgresServer) -> None:
    for url, kind in ((redis_url, RedisSessionStore), (postgres.url, PostgresSessionStore)):
        mine, theirs = (
            kind(
                url,
                SessionSettings(ttl=Duration.parse("60s"), namespace="default", agent=agent),
            )
            for agent in ("mine", "theirs")
        )
        async with heard(mine.signals) as queue:
            await theirs.signals.send(FIRST)
            await mine.signals.send(SECOND)
            assert await following(queue) == SECOND
            assert queue.empty()
        await mine.close()
        await theirs.close()


async def test_what_is_sent_leaves_nothing_behind(redis_url: str, postgres: PostgresServer) -> None:
    settings = SessionSettings(ttl=Duration.parse("60s"), namespace="default", agent="brief")
    redis_store = RedisSessionStore(redis_url, settings)
    await redis_store.signals.send(FIRST)
    await redis_store.close()
    async with Redis.from_url(redis_url) as redis:
        assert 0 < await redis.pttl("omnia:default:brief:signals") <= KEPT_SECONDS * 1000
    store = PostgresSessionStore(postgres.url, settings)
    await store.signals.send(FIRST)
    async with connected(postgres.url) as connection:
        await connection.execute("DELETE FROM omnia.signals WHERE agent <> 'brief'")
        await connection.execute("UPDATE omnia.signals SET sent_at = sent_at - interval '1 minute'")
        await store.signals.send(SECOND)
        rows = await connection.fetch("SELECT length FROM omnia.signals")
    await store.close()
    assert [row["length"] for row in rows] == [SECOND.length]


async def test_a_listener_whose_connection_is_cut_says_so(postgres: PostgresServer) -> None:
    settings = SessionSettings(ttl=Duration.parse("60s"), namespace="default", agent="cut")
    store = PostgresSessionStore(postgres.url, settings)
    async with connected(postgres.url) as connection, aclosing(store.signals.listen()) as listened:
        await store.signals.send(FIRST)
        assert await anext(listened) == FIRST
        waiting = asyncio.create_task(anext(listened))
        async with asyncio.timeout(LIMIT):
            while not await connection.fetchval(  # noqa: ASYNC110 - of another process
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE application_name = 'omnia' AND query LIKE 'LISTEN%'"
            ):
                await asyncio.sleep(0.01)
            with pytest.raises(StoreUnavailable):
                await waiting
    await store.close()


async def test_a_pooler_that_passes_no_notification_on_is_polled(postgres: PostgresServer) -> None:
    proxy = Proxy(postgres.port)
    settings = SessionSettings(ttl=Duration.parse("60s"), namespace="default", agent="pooled")
    async with proxy.serving() as port:
        store = PostgresSessionStore(f"postgresql://postgres@127.0.0.1:{port}/postgres", settings)
        direct = PostgresSessionStore(postgres.url, settings)
        # A NotificationResponse names its channel.
        proxy.dropped = b"omnia_"
        async with heard(store.signals) as queue:
            for signal in (FIRST, SECOND):
                await direct.signals.send(signal)
                assert await following(queue) == signal
        await store.close()
        await direct.close()
    assert proxy.lost


async def test_a_user_without_permission_for_channels_is_polled(redis_url: str) -> None:
    settings = SessionSettings(ttl=Duration.parse("60s"), namespace="default", agent="acl")
    async with Redis.from_url(redis_url) as redis:
        await redis.acl_setuser(
            "plain",
            enabled=True,
            passwords=["+secret"],
            keys=["*"],
            categories=["+@all"],
            reset_channels=True,
        )
        store = RedisSessionStore(redis_url.replace("://", "://plain:secret@"), settings)
        async with heard(store.signals) as queue:
            for signal in (FIRST, SECOND):
                await store.signals.send(signal)
                assert await following(queue) == signal
        await store.close()
        await redis.acl_deluser("plain")
