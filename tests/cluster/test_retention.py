"""On a real cluster a SessionRetentionPolicy bounds the sessions of its namespace."""

import time

import pytest

from omnia_core.jsonvalue import JsonObject
from tests.cluster.agents import announced, condition, everything, here, ready, rolled_out, told
from tests.cluster.harness.waiting import becomes, eventually, wait_until
from tests.cluster.kubectl import Kubectl
from tests.cluster.talking import say, talk
from tests.operator import objects

pytestmark = pytest.mark.usefixtures("omnia")

TTL = 3.0


def policy(change: JsonObject, name: str = "retention") -> JsonObject:
    made = here(objects.policy(change, name))
    del made["metadata"]["creationTimestamp"]
    return made


def variables(kubectl: Kubectl) -> dict[str, str]:
    """What the pods of the agent are told of how long sessions are kept."""
    containers = kubectl.get("deployment", "helper")["spec"]["template"]["spec"]["containers"]
    return {
        f"{container['name']} {each['name'].removeprefix('OMNIA_')}": each["value"]
        for container in containers
        for each in container["env"]
        if "RETENTION" in each["name"] or each["name"] == "OMNIA_SESSION_TTL"
    }


def has_variables(kubectl: Kubectl, expected: dict[str, str]) -> None:
    """Return when all pods are told this, and no other pod is left."""
    becomes(lambda: variables(kubectl), expected)
    assert len(rolled_out(kubectl, "helper")) == 1


def outlives_silence(kubectl: Kubectl, seconds: float) -> bool:
    """Begin a session, let it be silent for so long, and tell whether it can be continued."""
    session, answers = talk(kubectl, "helper", "Hello!")
    assert answers == ["one"]
    begun = time.monotonic()
    silent = seconds + 1.0
    wait_until("silence", lambda: time.monotonic() - begun > silent, seconds=silent + 60)
    (answer,) = say(kubectl, "helper", "Are you there?", session=session)
    assert answer == "one" or "SESSION_EXPIRED" in answer, answer
    return answer == "one"


def phase(kubectl: Kubectl, name: str) -> tuple[str, int]:
    status = kubectl.get("sessionretentionpolicy", name).get("status", {})
    return status.get("phase", ""), status.get("agents", -1)


def test_a_policy_comes_is_superseded_and_goes(kubectl: Kubectl, redis: str) -> None:
    session = {"type": "redis", "storeRef": {"name": redis}, "ttl": "2h"}
    kubectl.apply(*everything({"session": session}))
    ready(kubectl, "helper")
    own = {"facade SESSION_TTL": "2h", "runtime SESSION_TTL": "2h"}
    becomes(lambda: variables(kubectl), own)

    first = {"ttlAfterInactive": "3s", "retentionDays": 30, "maxMessagesPerSession": 100}
    kubectl.apply(policy(first))
    short = {"facade SESSION_TTL": "3s", "runtime SESSION_TTL": "3s"}
    bounds = {
        "runtime RETENTION_TTL": "3s",
        "runtime RETENTION_DAYS": "30",
        "runtime RETENTION_MAX_MESSAGES": "100",
    }
    has_variables(kubectl, short | bounds)
    becomes(lambda: phase(kubectl, "retention"), ("Active", 1))
    told(kubectl, "helper", "SessionRetention", ("True", "Enforced"), "instead of 2h")
    announced(kubectl, "InForce", "retention")
    announced(kubectl, "NothingIsKept", "retention")
    assert not outlives_silence(kubectl, TTL)

    # The API server counts seconds, and the older of two of one second is the first by name.
    kubectl.apply(policy({"ttlAfterInactive": "1h", "dryRun": True}, "trial"))

    def superseded() -> None:
        assert phase(kubectl, "trial") == ("Superseded", 0)
        (active,) = kubectl.get("sessionretentionpolicy", "trial")["status"]["conditions"]
        found = active["type"], active["status"], active["reason"]
        assert found == ("Active", "False", "Superseded")
        assert '"retention"' in active["message"]

    eventually(superseded)
    assert variables(kubectl) == short | bounds

    kubectl("delete", "sessionretentionpolicy", "retention")
    has_variables(
        kubectl, own | {"runtime RETENTION_TTL": "1h", "runtime RETENTION_DRY_RUN": "true"}
    )
    becomes(lambda: phase(kubectl, "trial"), ("DryRun", 1))
    told(kubectl, "helper", "SessionRetention", ("True", "DryRun"))
    row = kubectl("get", "srp", "trial", "--no-headers").split()
    assert row[:2] == ["trial", "1h"]
    assert {"DryRun", "1"} <= set(row)

    kubectl("delete", "sessionretentionpolicy", "trial")
    has_variables(kubectl, own)
    becomes(lambda: condition(kubectl, "helper", "SessionRetention"), ("", "", ""))
    assert outlives_silence(kubectl, TTL)
