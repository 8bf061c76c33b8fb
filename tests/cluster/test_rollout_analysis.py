"""On a real cluster: analyses that fail or have no data, and manifests that are applied again."""

import json
import os
import re
import time
from collections.abc import Iterator

import pytest

from omnia_core.files.rollout import parse_schedule
from omnia_core.jsonvalue import JsonObject
from tests.cluster.agents import condition, emptied, here, pods, ready
from tests.cluster.harness.console import say
from tests.cluster.harness.images import image
from tests.cluster.harness.waiting import becomes, eventually, wait_until
from tests.cluster.kubectl import Kubectl
from tests.cluster.talking import wait_reachable
from tests.cluster.test_canary import version
from tests.cluster.test_rollout import (
    CANARY,
    ask,
    begin,
    idle,
    in_force,
    manifest,
    rollout,
    schedule_text,
    until,
)
from tests.cluster.tool_servers import service
from tests.operator import objects

pytestmark = [pytest.mark.usefixtures("omnia"), pytest.mark.timeout(2400)]

APPLY_SECONDS = float(os.environ.get("APPLY_SECONDS", "3"))
APPLIES = int(os.environ.get("APPLIES", "8"))
"""How often somebody applies the manifest again (`APPLIES=30 APPLY_SECONDS=20`: ten minutes)."""
EQUAL_RUNS = int(os.environ.get("EQUAL_RUNS", "1"))
"""How often a candidate is compared that is as good as stable (20 for the full size)."""
MOST_REQUESTS = 60
"""How many turns a candidate may have that fails one in five."""

# Begins one session after another, of which each `every`th asks for a failure. With a schedule it
# counts those of the candidate and those of stable each by themselves.
_ASKING = """
import asyncio, collections, json, os, sys, time
from websockets.asyncio.client import connect
from omnia_core.files.rollout import on_candidate, parse_schedule
url, every, schedule = sys.argv[1], int(sys.argv[2]), sys.argv[3]
schedule = parse_schedule(schedule, "") if schedule else None
begun = collections.Counter()

async def begin():
    async with asyncio.timeout(120), connect(url, open_timeout=120) as socket:
        session = json.loads(await socket.recv())["session_id"]
        now = int(time.time() * 1000)
        side = schedule is not None and on_candidate(schedule, session, "", now)
        begun[side] += 1
        content = "hello" if begun[side] % every else "please fail"
        await socket.send(json.dumps({"type": "message", "content": content}))
        async for text in socket:
            if json.loads(text)["type"] in ("done", "error"):
                return

async def main():
    while not os.path.exists("/tmp/over"):
        await begin()
        await asyncio.sleep(0.05)
    print(json.dumps({"all": begun.total(), "candidate": begun[True]}))

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


@pytest.fixture
def kubectl(shared: Kubectl) -> Iterator[Kubectl]:
    """kubectl in the namespace of the file, without an agent."""
    yield shared
    emptied(shared)


@pytest.fixture
def redis(shared_redis: str) -> str:
    """The Redis of the file."""
    return shared_redis


def mock(name: str, *matches: JsonObject) -> JsonObject:
    responses = {"defaultResponse": f"{name} answers", "matches": list(matches)}
    spec = {"type": "mock", "mock": {"responses": responses}}
    return here(objects.document("Provider", name, spec))


def analysis(metric: JsonObject) -> JsonObject:
    return here(objects.document("RolloutAnalysis", "quality", {"metrics": [metric]}))


def errors() -> JsonObject:
    """The comparison of the errors of both sides, in ten looks."""
    query = {"measure": "errorRate", "worseBy": 0.03}
    return analysis({"name": "errors", "interval": "2s", "provider": {"agent": query}})


def compared(redis: str, stable: JsonObject, weight: int, candidate: JsonObject) -> JsonObject:
    """An agent whose candidate is rolled back when it is worse; without one, nothing is done."""
    steps: list[JsonObject] = [{"setWeight": weight}, {"analysis": {"templateName": "quality"}}]
    made = manifest(redis, steps, None)
    spec = {key: value for key, value in made["spec"].items() if key != "provider"}
    rollout = {**spec["rollout"], "rollback": {"mode": "automatic", "cooldown": "1s"}}
    if candidate:
        rollout["candidate"] = candidate
    return {**made, "spec": {**spec, **stable, "rollout": rollout}}


def provided(provider: str) -> list[JsonObject]:
    return [{"name": "default", "providerRef": {"name": provider}}]


def start_asking(kubectl: Kubectl, every: int, schedule: str = "") -> None:
    # The program ends at the first connection that is refused.
    wait_reachable(kubectl, "helper", 8080)
    kubectl(
        *("run", "asking", f"--image={image('facade')}", "--restart=Never", "--command", "--"),
        *("python", "-c", _ASKING, "ws://helper:8080/ws", str(every), schedule),
    )


def stop_asking(kubectl: Kubectl) -> JsonObject:
    """Return how many sessions there were, and with a schedule how many of the candidate."""
    kubectl.wait("pod/asking", "condition=Ready")
    kubectl("exec", "asking", "--", "python", "-c", "open('/tmp/over', 'w')")
    kubectl.wait_succeeded("asking")
    asked: JsonObject = json.loads(kubectl("logs", "asking"))
    say(f"sessions: {asked}")
    return asked


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


FAILURE: JsonObject = {"contains": "please fail", "error": {"status": 400}}


def test_a_candidate_that_fails_one_turn_in_five_is_rolled_back(
    kubectl: Kubectl, redis: str
) -> None:
    kubectl.apply(mock("steady"), mock("shaky", FAILURE), errors(), *version("1.0.0"))
    steady = {"providers": provided("steady")}
    kubectl.apply(compared(redis, steady, 20, {"providerRefs": provided("steady")}))
    ready(kubectl, "helper")
    before = pods(kubectl)
    kubectl.apply(compared(redis, steady, 20, {"providerRefs": provided("shaky")}))
    until(kubectl, "Progressing", 20)

    # To wait until the pods have it would take turns of the candidate, and thus time of its life.
    def schedule() -> str:
        text = schedule_text(kubectl)
        assert parse_schedule(text, "").steps, text
        return text

    start_asking(kubectl, 5, eventually(schedule))
    wait_until("the candidate is rolled back", lambda: "last" in rollout(kubectl), seconds=600)
    idle(kubectl, "RolledBack")
    assert stop_asking(kubectl)["candidate"] > 0
    reason = rollout(kubectl)["last"]["reason"]
    say(reason)
    assert "surely worse than allowed" in reason
    turns = re.search(r"candidate \S+ \([^)]*\) of (\d+)", reason)
    assert turns is not None, reason
    assert int(turns[1]) <= MOST_REQUESTS
    assert pods(kubectl) == before


@pytest.mark.timeout(1200 + 900 * EQUAL_RUNS)
def test_a_candidate_that_is_as_good_as_stable_is_not_rolled_back(
    kubectl: Kubectl, redis: str
) -> None:
    kubectl.apply(mock("shaky", FAILURE), errors(), *version("1.0.0"), *version("2.0.0"))
    sides = ["1.0.0", "2.0.0"]

    def agent(candidate: JsonObject) -> JsonObject:
        pack = {"name": "pack", "version": sides[0]}
        stable = {"promptPackRef": pack, "providers": provided("shaky")}
        return compared(redis, stable, 50, candidate)

    kubectl.apply(agent({}))
    ready(kubectl, "helper")
    start_asking(kubectl, 50)
    for number in range(EQUAL_RUNS):
        # Each promotion wrote the spec, so its fields belong to the operator now.
        kubectl.apply(agent({"promptPackVersion": sides[1]}), force=True)
        until(kubectl, "Progressing", 50)

        def decided() -> JsonObject:
            found = rollout(kubectl)
            assert found["phase"] != "Progressing", found
            return found

        found = eventually(decided, seconds=600)
        say(f"rollout {number}: {found['phase']}, {found.get('analysis', {}).get('message')}")
        if found["phase"] == "Paused":
            ask(kubectl, f"promote {number}")
        idle(kubectl, "Promoted")
        sides.reverse()
    assert stop_asking(kubectl)["all"] > 0


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
        """Whether the end of the rollout is in the spec."""
        spec = kubectl.get("agentruntime", "helper")["spec"]
        stable = spec["promptPackRef"]["version"]
        candidate = spec["rollout"]["candidate"]["promptPackVersion"]
        return (stable, candidate) != ("1.0.0", "2.0.0")

    wait_until("the end of the rollout is in the spec", written)
    writes = 0
    for _ in range(APPLIES):
        writes += written()
        kubectl.apply(manifest(redis, steps), force=True)
        time.sleep(APPLY_SECONDS)
    assert writes + written() <= 2
    becomes(lambda: rollout(kubectl)["active"], expected=False)
    assert pods(kubectl) == before
    kubectl.wait_gone("deployment", CANARY)
    reason = "PromotedHeld" if result == "Promoted" else "RolledBack"
    becomes(lambda: condition(kubectl, "helper", "RolloutActive")[1], reason)


def test_a_prometheus_without_data_pauses_the_rollout_and_promote_goes_on(
    kubectl: Kubectl, redis: str
) -> None:
    kubectl.apply(*empty_prometheus())
    # Refused connections are errors, and no missing data.
    wait_reachable(kubectl, "prometheus", 9090)
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

    def inconclusive() -> None:
        found = rollout(kubectl)
        assert found["reason"] == "AnalysisInconclusive", found
        assert "no data for 15s: does the candidate get traffic" in found["message"]
        results = {each["result"] for each in found["analysis"]["metrics"][0]["measurements"]}
        assert results == {"NoData"}

    eventually(inconclusive)
    in_force(kubectl, 50)
    ask(kubectl, "promote 1")
    idle(kubectl, "Promoted")
