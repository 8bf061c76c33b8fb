"""A rollout whose step measures a real server: it passes, fails, waits, or says nothing."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from omnia_core import names
from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.api import Severity, findings
from omnia_operator.cluster.kinds import DEPLOYMENT
from omnia_operator.discovery.egress import Egress
from omnia_operator.rollout.measuring import Measuring
from tests.operator import objects
from tests.operator.answering import Server, answering, series
from tests.operator.cluster import pod
from tests.operator.test_rollout_reconcile import CANARY, Bed

QUERY = 'sum(rate(errors{agent="{{args.agent}}",version="{{args.candidate-version}}"}[5s]))'


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with answering() as found:
        found.answer = series("0.01")
        yield found


def analysis(server: Server, query: str = QUERY, args: Any = (), **change: Any) -> JsonObject:
    provider = {"prometheus": {"address": server.url, "query": query}}
    metric = objects.metric({"interval": "5s", "provider": provider, **change})
    return objects.analysis(metric, args=list(args))


def bed(*resources: JsonObject, mode: str = "automatic", args: Any = ()) -> Bed:
    step = {"templateName": "quality", **({"args": list(args)} if args else {})}
    steps = [{"setWeight": 10}, {"analysis": step}, {"setWeight": 100}]
    made = Bed(steps=steps, rollback={"mode": mode})
    made.cluster.put(*resources)
    # Answers of the server on loopback are waited for, so that each step is the same.
    made.cluster.measuring = Measuring(Egress(lambda _: False), patience=10.0)
    return made


async def until_reason(found: Bed, reason: str) -> JsonObject:
    for _ in range(40):
        if (await found.step()).get("reason") == reason:
            return found.rollout
    raise AssertionError(found.rollout)


async def test_a_good_candidate_passes_and_is_promoted(server: Server) -> None:
    found = bed(analysis(server, count=12))
    rollout = await until_reason(found, "AnalysisRunning")
    for _ in range(11):
        rollout = await found.step()
    (metric,) = rollout["analysis"]["metrics"]
    assert metric["query"] == 'sum(rate(errors{agent="helper",version="2.0.0"}[5s]))'
    assert len(metric["measurements"]) == 10
    assert metric["measurements"][-1]["value"] == "[0.01]"
    assert rollout["currentWeight"] == 10
    assert {parse_qs(urlsplit(path).query)["query"][0] for _, path, _ in server.requests} == {
        metric["query"]
    }
    await found.until("Idle")
    assert len(server.requests) == 12
    assert found.rollout["last"]["result"] == "Promoted"
    assert found.cluster.events.count(("helper", "RolloutAnalysisPassed")) == 1


async def test_a_bad_candidate_is_rolled_back_and_its_pods_go(server: Server) -> None:
    found = bed(analysis(server, count=3))
    await until_reason(found, "AnalysisRunning")
    server.answer = series("0.2")
    await found.until("Idle")
    last = found.rollout["last"]
    assert last["result"] == "RolledBack"
    assert "the RolloutAnalysis quality: errors: 1 of" in last["reason"]
    assert ("helper", "RolloutAnalysisFailed") in found.cluster.events
    assert (DEPLOYMENT, ("default", CANARY)) not in found.cluster.objects


async def test_no_data_is_neither_good_nor_bad(server: Server) -> None:
    server.answer = series()
    found = bed(analysis(server, noDataTimeout="20s"))
    rollout = await found.until("Paused")
    assert rollout["reason"] == "AnalysisInconclusive"
    assert "no data for 20s: does the candidate get traffic" in rollout["message"]
    assert {each["result"] for each in rollout["analysis"]["metrics"][0]["measurements"]} == {
        "NoData"
    }
    count = len(server.requests)
    for _ in range(3):
        await found.step()
    assert len(server.requests) == count
    found.ask("promote 1")
    await found.until("Idle")
    assert found.rollout["last"]["result"] == "Promoted"


async def test_a_server_that_fails_is_an_error_and_no_verdict(server: Server) -> None:
    server.status = 500
    found = bed(analysis(server, count=2), mode="manual")
    await until_reason(found, "AnalysisRunning")
    server.status = 200
    await found.until("Idle", limit=60)
    assert found.rollout["last"]["result"] == "Promoted"
    server.status = 500
    again = bed(analysis(server), mode="manual")
    rollout = await again.until("Paused", limit=60)
    assert rollout["reason"] == "AnalysisFailed"
    assert "5 errors one after another" in rollout["message"]


async def test_an_analysis_that_is_missing_or_wrong_is_waited_for(server: Server) -> None:
    found = bed()
    rollout = await until_reason(found, "AnalysisNotFound")
    assert (
        "quality, which is not in the namespace default (none is): apply it" in rollout["message"]
    )
    broken = analysis(server, successCondition="result <")
    found.cluster.put(broken)
    rollout = await until_reason(found, "AnalysisInvalid")
    assert "column 9" in rollout["message"]
    found.cluster.put(analysis(server))
    await found.until("Idle")
    assert found.rollout["last"]["result"] == "Promoted"


LIMIT = {"name": "limit"}
ARGUMENTS: list[tuple[list[JsonObject], list[JsonObject], str, str]] = [
    ([LIMIT], [], "AnalysisArgMissing", "needs a value of limit"),
    ([LIMIT], [LIMIT | {"value": "1"}, {"name": "x", "value": "1"}], "AnalysisArgInvalid", "no "),
    ([LIMIT], [LIMIT | {"value": "1) or vector(1"}], "AnalysisArgInvalid", "only letters, digits"),
]


@pytest.mark.parametrize(("declared", "given", "reason", "message"), ARGUMENTS)
async def test_arguments_that_cannot_be_used_keep_the_step_waiting(
    server: Server,
    declared: list[JsonObject],
    given: list[JsonObject],
    reason: str,
    message: str,
) -> None:
    query = "errors + {{args.limit}}"
    found = bed(analysis(server, query, args=declared), args=given)
    assert message in (await until_reason(found, reason))["message"]
    assert server.requests == []


async def test_a_new_operator_goes_on_with_what_was_measured(server: Server) -> None:
    found = bed(analysis(server, count=6))
    await until_reason(found, "AnalysisRunning")
    before = (await found.step())["analysis"]["metrics"][0]["successful"]
    found.cluster.measuring = Measuring(Egress(lambda _: False), patience=10.0)
    after = (await found.step())["analysis"]["metrics"][0]["successful"]
    assert (before, after) == (2, 3)
    await found.until("Idle")
    assert len(server.requests) == 6


async def test_after_retry_it_measures_from_the_beginning(server: Server) -> None:
    server.answer = series("0.2")
    found = bed(analysis(server, count=2), mode="manual")
    await found.until("Paused")
    server.answer = series("0.01")
    found.ask("retry 1")
    await found.until("Idle")
    assert found.rollout["last"]["result"] == "Promoted"
    assert len(server.requests) == 3


def counts(candidate: tuple[int, int], stable: tuple[int, int]) -> bytes:
    """Return what a facade has counted: good and failed turns of both sides."""
    rows = [
        f'omnia_agent_requests_total{{status="{status}",variant="{variant}"}} {value}'
        for variant, values in (("candidate", candidate), ("stable", stable))
        for status, value in zip(("success", "error"), values, strict=True)
    ]
    return "\n".join(["# TYPE omnia_agent_requests_total counter", *rows, ""]).encode()


def of_agent(server: Server, monkeypatch: pytest.MonkeyPatch) -> Bed:
    """A rollout that compares the errors that a pod at the server has counted."""
    monkeypatch.setattr(names, "FACADE_HEALTH_PORT", urlsplit(server.url).port)
    query = {"measure": "errorRate", "worseBy": 0.03}
    metric = objects.metric(
        {
            "interval": "5s",
            "successCondition": None,
            "provider": {"prometheus": None, "agent": query},
        }
    )
    there = pod("helper-1")
    there["metadata"]["labels"][labels.MANAGED_BY] = labels.OPERATOR
    there["status"]["podIP"] = "127.0.0.1"
    found = bed(objects.analysis(metric), there)
    found.cluster.measuring.pods = Egress(lambda _: False)
    return found


async def test_a_candidate_with_more_errors_is_rolled_back_without_prometheus(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = counts((1000, 500), (9000, 10))
    found = of_agent(server, monkeypatch)
    rollout = await until_reason(found, "AnalysisRunning")
    (metric,) = rollout["analysis"]["metrics"]
    # What was counted before does not count.
    assert metric["measurements"][-1]["result"] == "NoData"
    assert metric["query"] == "errorRate"
    server.answer = counts((1030, 520), (9450, 20))
    await found.until("Idle")
    assert found.rollout["last"]["result"] == "RolledBack"
    assert "surely worse than allowed: candidate 0.4 (" in found.rollout["last"]["reason"]
    assert {path for _, path, _ in server.requests} == {"/metrics"}


async def test_a_candidate_that_is_as_good_passes_early_without_prometheus(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = counts((0, 0), (0, 0))
    found = of_agent(server, monkeypatch)
    await until_reason(found, "AnalysisRunning")
    server.answer = counts((1980, 20), (8910, 90))
    await found.until("Idle")
    assert found.rollout["last"]["result"] == "Promoted"
    assert len(server.requests) == 2


async def test_too_few_turns_decide_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = counts((0, 0), (0, 0))
    found = of_agent(server, monkeypatch)
    await until_reason(found, "AnalysisRunning")
    server.answer = counts((29, 1), (270, 5))
    rollout = await found.until("Paused")
    assert rollout["reason"] == "AnalysisInconclusive"
    assert "not decided after 10 measurements" in rollout["message"]


async def test_pods_that_do_not_answer_are_errors(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.status = 500
    found = of_agent(server, monkeypatch)
    await found.until("Idle", limit=80)
    assert "pod helper-1 at port" in found.rollout["last"]["reason"]


def test_nothing_is_left_to_say_about_a_step_with_an_analysis() -> None:
    agent = objects.agent({"rollout": {"steps": [{"analysis": {"templateName": "quality"}}]}})
    assert [each for each in findings(agent) if each.severity is Severity.WARNING] == []
