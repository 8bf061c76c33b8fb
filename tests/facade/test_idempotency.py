"""A call that is repeated with its Idempotency-Key is answered once."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import grpc
import orjson
import pytest
import pytest_asyncio

from omnia_core.env import SecretStr
from omnia_core.env.shared import SessionType
from omnia_core.files.auth import AuthFile, ClientKeyAuth
from omnia_facade.idempotency.calls import fingerprint_of
from tests.facade.auth_files import Mounted
from tests.facade.conftest import Running
from tests.facade.functions_bed import (
    GOOD,
    PATH,
    Answer,
    FunctionRuntime,
    Served,
    call,
    function,
    served,
)
from tests.facade.scripted_runtime import LIMIT
from tests.services import free_port

KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"


# One facade serves all tests of this file, so they share an event loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with served(tmp_path_factory.mktemp("function")) as both:
        yield both


@pytest.fixture
def runtime(shared: Served) -> FunctionRuntime:
    shared.runtime.reset()
    return shared.runtime


@pytest.fixture
def facade(shared: Served, runtime: FunctionRuntime) -> Running:
    return shared.facade


class Keyed(Protocol):
    async def __call__(self, body: object = GOOD, **headers: str) -> Answer: ...


def keyed_with(facade: Running, key: str) -> Keyed:
    async def ask(body: object = GOOD, **headers: str) -> Answer:
        return await call(facade, body, headers=[("Idempotency-Key", key), *headers.items()])

    return ask


@pytest.fixture
def keyed(facade: Running) -> Keyed:
    return keyed_with(facade, str(uuid.uuid4()))


async def test_the_same_call_again_gets_the_first_answer(
    facade: Running, runtime: FunctionRuntime
) -> None:
    key = str(uuid.uuid4())
    first = await keyed_with(facade, key)()
    runtime.output_json = '{"summary":"another"}'
    # the order of the keys, and the draft's quotes, change nothing
    quoted = keyed_with(facade, f'"{key}"')
    again = await quoted(dict(reversed(GOOD.items())))

    assert first.status == again.status == 200
    assert again.content == first.content
    assert again.headers["X-Invocation-Id"] == first.body["invocation_id"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(runtime.invoked) == 1


async def test_without_a_key_every_call_is_a_new_one(
    facade: Running, runtime: FunctionRuntime
) -> None:
    ids = {(await call(facade)).body["invocation_id"] for _ in range(2)}
    assert len(ids) == len(runtime.invoked) == 2


async def test_a_key_that_was_used_with_another_body_is_422(
    keyed: Keyed, runtime: FunctionRuntime
) -> None:
    await keyed()
    other = await keyed({"text": "Another."})
    assert (other.status, other.body["error"]) == (422, "idempotency_key_reused")
    assert len(runtime.invoked) == 1


@pytest.mark.parametrize("other", ["9007199254740993", "123456789012345678901234567891"])
async def test_integers_of_any_size_are_different_inputs(other: str) -> None:
    assert fingerprint_of(f'{{"a": {other}, "b": 1}}') == fingerprint_of(f'{{"b":1,"a":{other}}}')
    assert fingerprint_of(f'{{"a": {other}}}') != fingerprint_of(f'{{"a": {int(other) - 1}}}')


async def test_while_the_first_call_is_answered_the_second_is_409(
    keyed: Keyed, runtime: FunctionRuntime
) -> None:
    runtime.hold = asyncio.Event()
    first = asyncio.create_task(keyed())
    await runtime.turn_began.wait()

    second = await keyed()
    assert (second.status, second.body["error"]) == (409, "idempotency_in_progress")
    assert second.headers["Retry-After"] == "1"
    runtime.hold.set()
    assert (await first).content == (await keyed()).content


async def test_an_output_that_breaks_its_schema_is_an_answer_too(
    keyed: Keyed, runtime: FunctionRuntime
) -> None:
    runtime.output_json = "Well,"
    first = await keyed()
    runtime.output_json = '{"summary":"good"}'
    again = await keyed()
    assert (first.status, first.body["error"]) == (502, "output_invalid")
    assert (again.status, again.content) == (502, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_a_runtime_that_failed_is_asked_again(keyed: Keyed, runtime: FunctionRuntime) -> None:
    runtime.invoke_status = grpc.StatusCode.UNAVAILABLE
    assert (await keyed()).body["error"] == "runtime_error"
    runtime.invoke_status = None
    again = await keyed()
    assert again.status == 200
    assert "Idempotency-Replayed" not in again.headers


async def test_a_wrong_input_does_not_use_the_key(keyed: Keyed, runtime: FunctionRuntime) -> None:
    assert (await keyed({"text": 1})).body["error"] == "input_invalid"
    assert (await keyed()).status == 200


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "caf\u00e9", "a,\tb"])
async def test_a_key_that_is_none_is_refused(
    facade: Running, runtime: FunctionRuntime, key: str
) -> None:
    answer = await keyed_with(facade, key)()
    assert (answer.status, answer.body["error"]) == (400, "idempotency_key_invalid")
    assert runtime.invoked == []


async def test_two_keys_are_refused(keyed: Keyed, runtime: FunctionRuntime) -> None:
    answer = await keyed(**{"Idempotency-Key": "second"})
    assert (answer.status, answer.body["error"]) == (400, "idempotency_key_invalid")
    assert runtime.invoked == []


async def test_a_key_of_255_characters_is_one(facade: Running) -> None:
    assert (await keyed_with(facade, "x" * 255)()).status == 200


async def test_who_has_another_credential_has_another_key(
    runtime: FunctionRuntime, tmp_path: Path
) -> None:
    mounted = Mounted(tmp_path)
    mounted.rules(AuthFile(client_keys=ClientKeyAuth()))
    for name in ("ada", "bob"):
        mounted.client_key(name, f"the key of {name}")
    async with function(
        runtime,
        tmp_path,
        allow_unauthenticated=False,
        auth_path=str(mounted.auth),
        auth_secrets_path=str(mounted.secrets),
    ) as facade:
        keyed = keyed_with(facade, KEY)
        replayed = [
            "Idempotency-Replayed"
            in (await keyed(Authorization=f"Bearer the key of {name}")).headers
            for name in ("ada", "bob", "ada")
        ]
    assert replayed == [False, False, True]


async def test_who_went_away_finds_the_answer_with_the_key(
    keyed: Keyed, runtime: FunctionRuntime
) -> None:
    runtime.hold = asyncio.Event()
    gone = asyncio.create_task(keyed())
    await runtime.turn_began.wait()
    gone.cancel()
    await asyncio.wait({gone})
    # the connection's end is seen before the next one's request
    assert (await keyed()).status == 409
    runtime.hold.set()
    async with asyncio.timeout(LIMIT):
        while (answer := await keyed()).status == 409:
            pass
    assert (answer.status, answer.headers["Idempotency-Replayed"]) == (200, "true")
    assert len(runtime.invoked) == 1
    assert not runtime.cancelled.is_set()


async def test_shutdown_waits_for_the_call_of_who_went_away(
    runtime: FunctionRuntime, tmp_path: Path
) -> None:
    runtime.hold = asyncio.Event()
    async with function(runtime, tmp_path) as facade:
        gone = asyncio.create_task(keyed_with(facade, KEY)())
        await runtime.turn_began.wait()
        gone.cancel()
        await asyncio.wait({gone})
        facade.stop.set()
        async with asyncio.timeout(LIMIT), aiohttp.ClientSession() as session:
            draining = False
            while not draining:
                async with session.get(f"{facade.health}/readyz") as response:
                    draining = response.status == 503
        runtime.hold.set()
    assert runtime.answered.is_set()
    assert not runtime.cancelled.is_set()


async def test_two_pods_know_each_others_keys(
    runtime: FunctionRuntime, tmp_path: Path, redis_url: str
) -> None:
    # what the URL asks of sessions does not matter to replies
    store: dict[str, Any] = {"session_type": SessionType.REDIS}
    urls = [SecretStr(redis_url), SecretStr(f"{redis_url}?replicas=1")]
    async with (
        function(runtime, tmp_path, session_url=urls[0], **store) as first,
        function(runtime, tmp_path, session_url=urls[1], **store) as second,
    ):
        key = f"pods-{free_port()}"
        answers = [await keyed_with(each, key)() for each in (first, second)]
    assert answers[0].content == answers[1].content
    assert len(runtime.invoked) == 1


async def test_when_the_store_is_away_nothing_is_called(
    runtime: FunctionRuntime, tmp_path: Path
) -> None:
    url = SecretStr(f"redis://127.0.0.1:{free_port()}/0")
    async with function(
        runtime, tmp_path, session_type=SessionType.REDIS, session_url=url
    ) as facade:
        answer = await keyed_with(facade, KEY)()
        assert (answer.status, answer.body["error"]) == (503, "idempotency_unavailable")
        assert answer.headers["Retry-After"] == "1"
        assert runtime.invoked == []
        assert (await call(facade)).status == 200


async def test_a_key_in_bytes_that_are_no_text_is_refused(
    facade: Running, runtime: FunctionRuntime
) -> None:
    body = orjson.dumps(GOOD)
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", facade.port)
    writer.write(
        head.encode()
        + b"Idempotency-Key: \xff\xfe\r\nConnection: close\r\n"
        + f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    async with asyncio.timeout(LIMIT):
        answer = await reader.read()
    writer.close()
    assert b"idempotency_key_invalid" in answer
    assert runtime.invoked == []
