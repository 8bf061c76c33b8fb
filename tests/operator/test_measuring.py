"""Prometheus and web servers are asked, and whatever they answer becomes a reading."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from omnia_core.addresses import is_local
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import RolloutAnalysis, parse
from omnia_operator.discovery.egress import Egress
from omnia_operator.rollout.analysis import MetricReading
from omnia_operator.rollout.measuring import Measuring, MetricRequest, read, request_of
from tests.operator import objects
from tests.operator.answering import Server, answering, series, success
from tests.services import free_port

AGENT = ("default", "helper")
OPEN = Egress(lambda _: False)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with answering() as found:
        yield found


def asking(provider: JsonObject, identity: str = "1", **arguments: str) -> MetricRequest:
    args = [{"name": name} for name in arguments if name not in ("agent", "namespace")]
    metric = objects.metric({"provider": {"prometheus": None, **provider}})
    found = parse(objects.analysis(metric, args=args))
    assert isinstance(found, RolloutAnalysis)
    return request_of(found.spec.metrics[0], arguments, identity, 60.0)


def of_prometheus(server: Server, query: str = "up", **arguments: str) -> MetricRequest:
    return asking({"prometheus": {"address": server.url, "query": query}}, **arguments)


PROMETHEUS: list[tuple[Any, int, Any, str]] = [
    (series("0.25"), 200, [0.25], ""),
    (series("1", "+Inf"), 200, [1.0, float("inf")], ""),
    (series(), 200, [], ""),
    (success("scalar", [1.5, "0.5"]), 200, 0.5, ""),
    (success("string", [1.5, "ok"]), 200, "ok", ""),
    (success("matrix", []), 200, None, "the query gives a matrix, expected"),
    (success("vector", [{"value": 1}]), 200, None, "no values as Prometheus writes them"),
    (success("vector", None), 200, None, "no values as Prometheus writes them"),
    ({"status": "success", "data": 1}, 200, None, "the query gives a , expected"),
    ({"status": "error", "error": "parse error: x"}, 400, None, "refuses the query: parse error"),
    ([], 200, None, "not one of Prometheus"),
    (b"<html>", 200, None, "its answer is"),
    (b"[" * 5000, 200, None, "its answer is"),
    (b" " * (1024 * 1024 + 1), 200, None, "its answer is larger than 1 MiB"),
    ({}, 404, None, "404"),
]


@pytest.mark.parametrize(("answer", "status", "value", "failure"), PROMETHEUS)
async def test_what_prometheus_answers(
    server: Server, answer: Any, status: int, value: Any, failure: str
) -> None:
    server.answer, server.status = answer, status
    found = await read(of_prometheus(server), OPEN)
    assert found.value == value
    assert failure in found.failure
    assert bool(found.failure) is bool(failure)


async def test_prometheus_gets_the_query_with_its_arguments_escaped(server: Server) -> None:
    server.answer = series("1")
    hostile = '"}) or vector(1) #'
    request = of_prometheus(server, 'sum(rate(x{a="{{args.agent}}"}[5m]))', agent=hostile)
    found = await read(request, OPEN)
    ((method, path, _),) = server.requests
    asked = parse_qs(urlsplit(path).query)["query"]
    assert (method, urlsplit(path).path) == ("GET", "/api/v1/query")
    assert asked == [request.shown] == ['sum(rate(x{a="\\"}) or vector(1) #"}[5m]))']
    assert found.note == (
        "the query looks back 5m, to before the analysis began: give initialDelay"
    )


WEB: list[tuple[str | None, Any, Any, str]] = [
    (None, {"a": 1}, {"a": 1}, ""),
    ("{$.data[1].rate}", {"data": [0, {"rate": 0.5}]}, 0.5, ""),
    ("$.a.b-c", {"a": {"b-c": None}}, None, ""),
    (".a", {"a": [1]}, [1], ""),
    ("$.a.b", {"a": 1}, None, "the answer has nothing at $.a.b: correct jsonPath"),
    ("$[3]", [1], None, "the answer has nothing at $[3]"),
]


@pytest.mark.parametrize(("path", "answer", "value", "failure"), WEB)
async def test_what_a_web_server_answers(
    server: Server, path: str | None, answer: Any, value: Any, failure: str
) -> None:
    server.answer = answer
    more = {} if path is None else {"jsonPath": path}
    found = await read(asking({"web": {"url": f"{server.url}/x", **more}}), OPEN)
    assert found.value == value
    assert found.failure.startswith(failure)
    assert bool(found.failure) is bool(failure)


async def test_a_web_server_gets_method_headers_and_encoded_arguments(server: Server) -> None:
    provider = {
        "url": f"{server.url}/a/{{{{args.agent}}}}?q={{{{args.agent}}}}",
        "method": "POST",
        "headers": [{"key": "Authorization", "value": "Bearer {{args.token}}"}],
    }
    await read(asking({"web": provider}, agent="a/b&c", token="t"), OPEN)
    assert server.requests == [("POST", "/a/a%2Fb&c?q=a/b%26c", "Bearer t")]


async def test_no_redirect_is_followed_and_no_local_address_asked(server: Server) -> None:
    refused = await read(of_prometheus(server), Egress(is_local))
    assert "is at an address that the operator does not ask" in refused.failure
    assert server.requests == []
    server.status, server.headers = 302, {"location": "/other"}
    assert "302" in (await read(of_prometheus(server), OPEN)).failure
    assert len(server.requests) == 1


async def test_a_server_that_is_gone_is_a_reading() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    found = await read(asking({"prometheus": {"address": address, "query": "up"}}), OPEN)
    assert address in found.failure


async def test_a_slow_answer_is_taken_later_and_asked_for_once(server: Server) -> None:
    server.answer, server.hold = series("1"), asyncio.Event()
    measuring = Measuring(OPEN, patience=0.01)
    request = of_prometheus(server)
    for _ in range(3):
        assert await measuring.readings(AGENT, [request]) == {}
    server.hold.set()
    measuring.patience = 10.0
    assert await measuring.readings(AGENT, [request]) == {"errors": MetricReading([1.0])}
    assert len(server.requests) == 1


async def test_what_is_not_asked_for_any_more_is_given_up(server: Server) -> None:
    server.answer, server.hold = series("1"), asyncio.Event()
    measuring = Measuring(OPEN, patience=0.01)
    await measuring.readings(AGENT, [of_prometheus(server)])
    before = asyncio.all_tasks()
    measuring.forget(AGENT)
    other = asking({"prometheus": {"address": server.url, "query": "up"}}, identity="2")
    await measuring.readings(AGENT, [other])
    newer = asking({"prometheus": {"address": server.url, "query": "up"}}, identity="3")
    server.hold.set()
    measuring.patience = 10.0
    assert await measuring.readings(AGENT, [newer]) == {"errors": MetricReading([1.0])}
    assert not {task for task in before if not task.done()} - asyncio.all_tasks()
