"""On a real cluster: analyses that fail or have no data, and manifests that are applied again."""

import os
import re
import time

import pytest

from omnia_core.jsonvalue import JsonObject
from tests.cluster.agents import condition, here, pods, ready
from tests.cluster.harness.images import image
from tests.cluster.harness.waiting import wait_until
from tests.cluster.kubectl import Kubectl
from tests.cluster.test_canary import version
from tests.cluster.test_rollout import (
    CANARY,
    ask,
    begin,
    idle,
    in_force,
    manifest,
    rollout,
    until,
)
from tests.cluster.tool_servers import service
from tests.operator import objects

pytestmark = [pytest.mark.usefixtures("omnia"), pytest.mark.timeout(900)]

APPLY_SECONDS = float(os.environ.get("APPLY_SECONDS", "3"))
APPLIES = int(os.environ.get("APPLIES", "8"))
"""How often somebody applies the manifest again (`APPLIES=30 APPLY_SECONDS=20`: ten minutes)."""

# One turn in five asks for a failure, which only the candidate's model has.
_ASKING = """
import asyncio, json, sys
from websockets.asyncio.client import connect
url, count = sys.argv[1], int(sys.argv[2])

async def begin(number):
    content = "please fail" if number % 5 == 0 else "hello"
    async with asyncio.timeout(60), connect(url, open_timeout=30) as socket:
        await socket.recv()
        await socket.send(json.dumps({"type": "message", "content": content}))
        async for text in socket:
            if json.loads(text)["type"] in ("done", "error"):
                return

async def main():
    for number in range(count):
        await begin(number)

asyncio.run(main())
"""

# A Prometheus that has scraped nothing: each instant query has an empty vector.
_EMPTY = """
import http.server, json

class Empty(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

http.server.ThreadingHTTPServer(("", 9090), Empty).serve_forever()
"""


def mock(name: str, *matches: JsonObject) -> JsonObject:
    responses = {"defaultResponse": f"{name} answers", "matches": list(matches)}
    spec = {"type": "mock", "mock": {"responses": responses}}
    return here(objects.document("Provider", name, spec))


def analysis(metric: JsonObject) -> JsonObject:
    return here(objects.document("RolloutAnalysis", "quality", {"metrics": [metric]}))


def empty_prometheus() -> list[JsonObject]:
    labels = {"app": "prometheus"}
    container = {
        "name": "server",
        "image": image("runtime"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", _EMPTY],
        "readinessProbe": {"tcpSocket": {"port": 9090}, "periodSeconds": 1},
    }
    pod = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "prometheus"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    return [deployment, service("prometheus", {"port": 9090})]


def test_a_candidate_that_fails_one_turn_in_five_is_rolled_back(
    kubectl: Kubectl, redis: str
) -> None:
    query = {"measure": "errorRate", "worseBy": 0.03}
    metric = {"name": "errors", "interval": "5s", "count": 100, "provider": {"agent": query}}
    failure = {"contains": "please fail", "error": {"status": 400}}
    kubectl.apply(mock("steady"), mock("shaky", failure), analysis(metric))
    kubectl.apply(*version("1.0.0"))

    def agent(candidate: str) -> JsonObject:
        made = manifest(
            redis,
            [{"setWeight": 50}, {"analysis": {"templateName": "quality"}}, {"setWeight": 100}],
            None,
        )
        spec = {key: value for key, value in made["spec"].items() if key != "provider"}
        spec["providers"] = [{"name": "default", "providerRef": {"name": "steady"}}]
        wanted = {"name": "default", "providerRef": {"name": candidate}}
        spec["rollout"] = {
            **spec["rollout"],
            "candidate": {"providerRefs": [wanted]},
            "rollback": {"mode": "automatic"},
        }
        return {**made, "spec": spec}

    kubectl.apply(agent("steady"))
    ready(kubectl, "helper")
    before = pods(kubectl)
    kubectl.apply(agent("shaky"))
    until(kubectl, "Progressing", 50)

    def over() -> bool:
        pod = ("deployment/helper", "--container=facade")
        url = "ws://helper:8080/ws"
        kubectl("exec", *pod, "--", "python", "-c", _ASKING, url, "20", seconds=120)
        return "last" in rollout(kubectl)

    wait_until("the candidate is rolled back", over, seconds=240)
    idle(kubectl, "RolledBack")
    reason = rollout(kubectl)["last"]["reason"]
    assert "surely worse than allowed" in reason
    turns = re.search(r"candidate \S+ \([^)]*\) of (\d+)", reason)
    assert turns is not None, reason
    assert int(turns[1]) <= 150
    assert pods(kubectl) == before


@pytest.mark.parametrize(
    ("request_", "result"), [("promote-full", "Promoted"), ("abort", "RolledBack")]
)
def test_a_manifest_that_is_applied_again_and_again_is_written_over_twice_at_most(
    kubectl: Kubectl, redis: str, request_: str, result: str
) -> None:
    steps: list[JsonObject] = [{"setWeight": 50}, {"pause": {}}, {"setWeight": 100}]
    before = begin(kubectl, redis, steps)
    until(kubectl, "Paused", 50)
    ask(kubectl, f"{request_} 1")
    idle(kubectl, result)

    def written() -> bool:
        spec = kubectl.get("agentruntime", "helper")["spec"]
        stable = spec["promptPackRef"]["version"]
        candidate = spec["rollout"]["candidate"]["promptPackVersion"]
        return (stable, candidate) != ("1.0.0", "2.0.0")

    assert written(), "the end of the rollout is in the spec"
    writes = 0
    for _ in range(APPLIES):
        writes += written()
        kubectl.apply(manifest(redis, steps), force=True)
        time.sleep(APPLY_SECONDS)
    assert writes + written() <= 2
    assert rollout(kubectl)["active"] is False
    assert pods(kubectl) == before
    kubectl.wait_gone("deployment", CANARY)
    reason = condition(kubectl, "helper", "RolloutActive")[1]
    assert reason == ("PromotedHeld" if result == "Promoted" else "RolledBack")


def test_a_prometheus_without_data_pauses_the_rollout_and_promote_goes_on(
    kubectl: Kubectl, redis: str
) -> None:
    kubectl.apply(*empty_prometheus())
    kubectl.wait_available("prometheus")
    source = {
        "address": f"http://prometheus.{kubectl.namespace}.svc:9090",
        "query": 'sum(rate(errors{agent="{{args.agent}}"}[1m]))',
    }
    metric = {
        "name": "errors",
        "interval": "2s",
        "noDataTimeout": "15s",
        "successCondition": "result < 0.05",
        "provider": {"prometheus": source},
    }
    kubectl.apply(analysis(metric))
    begin(
        kubectl,
        redis,
        [{"setWeight": 50}, {"analysis": {"templateName": "quality"}}, {"setWeight": 100}],
    )
    until(kubectl, "Paused", 50)
    found = rollout(kubectl)
    assert found["reason"] == "AnalysisInconclusive"
    assert "no data for 15s: does the candidate get traffic" in found["message"]
    results = {each["result"] for each in found["analysis"]["metrics"][0]["measurements"]}
    assert results == {"NoData"}
    in_force(kubectl, 50)
    ask(kubectl, "promote 1")
    idle(kubectl, "Promoted")
