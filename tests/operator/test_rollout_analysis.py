"""A RolloutAnalysis as a resource: what the schema cannot find, and its status."""

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import dotted, findings
from omnia_operator.cluster.kinds import ROLLOUT_ANALYSIS
from tests.operator import objects
from tests.operator.cluster import FakeCluster

WEB = {"prometheus": None, "web": {"url": "http://a/{{args.x}}"}}
FAULTS: list[tuple[JsonObject, str, str]] = [
    (
        {"successCondition": "result <"},
        "spec.metrics[0].successCondition",
        "column 9: expected a value, such as result, found the end",
    ),
    (
        {"failureCondition": "result > {{args.limit}}"},
        "spec.metrics[0].failureCondition",
        "args has no limit, only agent, candidate-version, namespace, stable-version, step: add",
    ),
    (
        {"provider": {"prometheus": {"query": "x{a='{{args.x}}'}"}}},
        "spec.metrics[0].provider.prometheus.query",
        "args has no x,",
    ),
    (
        {"provider": {"prometheus": {"query": "x{a='{{agent}}'}"}}},
        "spec.metrics[0].provider.prometheus.query",
        "expected {{args.NAME}} between double braces",
    ),
    ({"provider": WEB}, "spec.metrics[0].provider.web.url", "args has no x,"),
    (
        {"provider": {"prometheus": None, "arenaEval": {}}},
        "spec.metrics[0].provider.arenaEval",
        "unknown field arenaEval; write agent, with measure: evalPassRate or evalScore",
    ),
]


@pytest.mark.parametrize(("change", "path", "message"), FAULTS)
def test_what_is_wrong_is_said_where_it_is(change: JsonObject, path: str, message: str) -> None:
    found = findings(objects.analysis(objects.metric(change)))
    assert [dotted(each.path) for each in found] == [path]
    assert found[0].message.startswith(message)


def test_arguments_of_the_analysis_and_built_in_ones_are_known() -> None:
    query = "x{agent='{{args.agent}}', v='{{args.candidate-version}}', k='{{args.kind}}'}"
    metric = objects.metric(
        {
            "successCondition": "result < {{args.limit}}",
            "provider": {"prometheus": {"query": query}},
        }
    )
    args = [{"name": "kind"}, {"name": "limit", "value": "0.1"}]
    assert findings(objects.analysis(metric, args=args)) == []


async def test_an_analysis_says_whether_it_can_be_run() -> None:
    cluster = FakeCluster(objects.analysis())
    await cluster.settle()
    assert cluster.conditions("quality", ROLLOUT_ANALYSIS) == {"Ready": "True: Valid"}

    cluster.put(objects.analysis(objects.metric({"successCondition": "result <"})))
    await cluster.settle()
    assert cluster.conditions("quality", ROLLOUT_ANALYSIS) == {"Ready": "False: InvalidSpec"}
    (condition,) = cluster.status("quality", ROLLOUT_ANALYSIS)["conditions"]
    assert "successCondition: column 9" in condition["message"]
    assert cluster.events[-1] == ("quality", "InvalidSpec")
