"""On a real cluster a candidate gets its part of the new sessions, and cuts no conversation."""

import json
import math
import os
import time
from collections.abc import Iterator, Mapping

import pytest

from omnia_core.files.rollout import Schedule, on_candidate, parse_schedule
from omnia_core.jsonvalue import JsonObject
from omnia_core.session_ids import began_ms
from omnia_facade.auth.principal import affinity_of
from omnia_operator import labels
from tests.cluster.agents import emptied, events, here, pods, ready
from tests.cluster.harness.console import say
from tests.cluster.harness.images import image
from tests.cluster.harness.waiting import becomes, eventually, wait_until
from tests.cluster.kubectl import Kubectl
from tests.cluster.prompt_teller import begin_sessions, begin_sessions_of_users, prompt_teller
from tests.cluster.talking import wait_reachable
from tests.cluster.test_canary import MODEL, version
from tests.operator import objects

pytestmark = [pytest.mark.usefixtures("omnia"), pytest.mark.timeout(2400)]

SESSIONS = int(os.environ.get("ROLLOUT_SESSIONS", "400"))
"""How many sessions begin at each weight (1,000 for the full size)."""
OPEN = int(os.environ.get("ROLLOUT_SOCKETS", "40"))
"""How many WebSockets stay open through a promotion, an abort and a lost pod (200)."""
USERS = int(os.environ.get("ROLLOUT_USERS", "100"))
"""How many users begin `USER_SESSIONS` sessions each (500)."""
USER_SESSIONS = 5
CANARY = "helper-canary"

# Each client keeps its WebSocket and its session, and notes whatever is not the answer of before.
# A turn that fails says so in `failures`, and the client goes on with the next one.
_TALKING = """
import asyncio, collections, json, os, sys
from websockets.asyncio.client import connect
url, count = sys.argv[1], int(sys.argv[2])
seen = collections.Counter(answered=0, closed=0, failed=0, changed=0, most_failed=0)
versions, failures, firsts = collections.Counter(), collections.Counter(), []
async def client():
    first, failed = "", 0
    try:
        async with connect(url, open_timeout=120) as socket:
            json.loads(await socket.recv())
            while not os.path.exists("/tmp/over"):
                await socket.send(json.dumps({"type": "message", "content": "Which version?"}))
                while True:
                    frame = json.loads(await asyncio.wait_for(socket.recv(), 120))
                    if frame["type"] in ("done", "error"):
                        break
                if frame["type"] == "error":
                    failed += 1
                    failures[json.dumps(frame["error"])] += 1
                else:
                    seen["answered"] += 1
                    if not first:
                        first = frame["content"]
                        firsts.append(first)
                        if len(firsts) == count:
                            open("/tmp/talking", "w").close()
                    seen["changed"] += frame["content"] != first
                await asyncio.sleep(2)
    except Exception as error:
        seen["closed"] += 1
        failures[repr(error)] += 1
    seen["failed"] += failed
    seen["most_failed"] = max(seen["most_failed"], failed)
    versions[first] += 1
async def main():
    await asyncio.gather(*(client() for _ in range(count)))
    print(json.dumps({**seen, "versions": versions, "failures": failures}))
asyncio.run(main())
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


def start_talking(kubectl: Kubectl, name: str) -> None:
    kubectl(
        *("run", name, f"--image={image('facade')}", "--restart=Never", "--command", "--"),
        *("python", "-c", _TALKING, "ws://helper:8080/ws", str(OPEN)),
    )
    kubectl.wait(f"pod/{name}", "condition=Ready")
    wait_until(
        "each client has an answer",
        lambda: kubectl.succeeds("exec", name, "--", "sh", "-c", "test -e /tmp/talking"),
    )


def stop_talking(kubectl: Kubectl, name: str) -> JsonObject:
    kubectl("exec", name, "--", "python", "-c", "open('/tmp/over', 'w')")
    kubectl.wait_succeeded(name)
    seen: JsonObject = json.loads(kubectl("logs", name))
    say(f"{name}: {seen}")
    return seen


def manifest(
    redis: str,
    steps: list[JsonObject],
    candidate: str | None = "2.0.0",
    more: Mapping[str, object] | None = None,
) -> JsonObject:
    """An agent on version 1.0.0 whose model says which version it is, with its rollout.

    `more` are further fields of the rollout.
    """
    rollout: JsonObject = {"steps": steps, "rollback": {"cooldown": "1s"}, **(more or {})}
    if candidate is not None:
        rollout["candidate"] = {"promptPackVersion": candidate}
    return here(
        objects.agent(
            {
                "provider": MODEL,
                "providers": None,
                "promptPackRef": {"name": "pack", "version": "1.0.0"},
                "session": {"type": "redis", "storeRef": {"name": redis}},
                "rollout": rollout,
            }
        )
    )


def begin(
    kubectl: Kubectl,
    redis: str,
    steps: list[JsonObject],
    more: Mapping[str, object] | None = None,
) -> set[str]:
    """Make the agent without a candidate, then begin the rollout; return the pods of stable."""
    kubectl.apply(*prompt_teller())
    wait_reachable(kubectl, "teller", 8000)
    kubectl.apply(*version("1.0.0"), *version("2.0.0"), manifest(redis, steps, None, more))
    ready(kubectl, "helper")
    before = pods(kubectl)
    kubectl.apply(manifest(redis, steps, more=more))
    return before


def rollout(kubectl: Kubectl) -> JsonObject:
    found: JsonObject = kubectl.get("agentruntime", "helper").get("status", {}).get("rollout", {})
    return found


def ask(kubectl: Kubectl, request: str) -> None:
    note = f"{labels.ROLLOUT_REQUEST}={request}"
    kubectl("annotate", "agentruntime", "helper", note, "--overwrite")


def until(kubectl: Kubectl, phase: str, weight: int) -> None:
    def there() -> None:
        found = rollout(kubectl)
        assert (found.get("phase"), found.get("currentWeight")) == (phase, weight), found

    eventually(there)


def idle(kubectl: Kubectl, result: str) -> None:
    def over() -> None:
        found = rollout(kubectl)
        assert (found.get("phase"), found["last"]["result"]) == ("Idle", result), found

    eventually(over)
    kubectl.wait_gone("deployment", CANARY)
    kubectl.wait_gone("service", CANARY)


def mounted(kubectl: Kubectl) -> Schedule:
    """Return the schedule that the pods have, or have soon."""
    return parse_schedule(schedule_text(kubectl), "")


def schedule_text(kubectl: Kubectl) -> str:
    """Return the same as the file that the pods read."""
    return str(kubectl.get("configmap", "omnia-helper-rollout")["data"]["rollout.json"])


def side(schedule: Schedule, session: str, affinity: str = "") -> str:
    """Return the version that a session belongs to."""
    now = began_ms(session) or 0
    return "2.0.0" if on_candidate(schedule, session, affinity, now) else "1.0.0"


def is_split(on: int, count: int, weight: int) -> bool:
    """Tell whether a part is the weight, up to five standard deviations."""
    share = weight / 100
    return abs(on - count * share) <= 5 * math.sqrt(count * share * (1 - share))


def in_force(kubectl: Kubectl, weight: int) -> None:
    """Return when new sessions are placed by a weight."""

    def placed() -> None:
        began = begin_sessions(kubectl, "helper", 20)
        schedule = mounted(kubectl)
        ((start, last), *_) = reversed(schedule.steps)
        assert last == weight
        assert all((began_ms(session) or 0) >= start for session in began)

    eventually(placed)


PAUSED: list[JsonObject] = [
    {"setWeight": 10},
    {"pause": {}},
    {"setWeight": 50},
    {"pause": {}},
    {"setWeight": 100},
]


def test_the_weights_are_right_and_a_promotion_writes_the_spec_and_rolls_no_pod(
    kubectl: Kubectl, redis: str
) -> None:
    before = begin(kubectl, redis, PAUSED, {"stickySession": {"hashOn": "x-user-id"}})
    chosen: set[str] = set()
    for number, weight in enumerate((10, 50)):
        until(kubectl, "Paused", weight)
        in_force(kubectl, weight)
        sessions_are_split(kubectl, weight)
        earlier, chosen = chosen, users_are_split(kubectl, weight)
        assert earlier <= chosen, "a growing weight moves nobody back"
        assert pods(kubectl) == before
        ask(kubectl, f"promote {number}")
    idle(kubectl, "Promoted")

    def written() -> None:
        agent = kubectl.get("agentruntime", "helper")
        assert agent["spec"]["promptPackRef"]["version"] == "2.0.0"
        assert agent["status"]["rollout"]["active"] is False

    eventually(written)
    becomes(lambda: set(begin_sessions(kubectl, "helper", 20).values()), {"2.0.0"})
    assert pods(kubectl) == before, "a pack alone replaces no pod"


def sessions_are_split(kubectl: Kubectl, weight: int) -> None:
    """Begin sessions, each of which has to be on its side."""
    began = begin_sessions(kubectl, "helper", SESSIONS)
    schedule = mounted(kubectl)
    assert began == {session: side(schedule, session) for session in began}
    on = list(began.values()).count("2.0.0")
    say(f"{on} of {SESSIONS} sessions at {weight} % are the candidate's")
    assert is_split(on, SESSIONS, weight)


def users_are_split(kubectl: Kubectl, weight: int) -> set[str]:
    """Begin sessions of users, each of whom has to be on one side; return the candidate's."""
    began = begin_sessions_of_users(kubectl, "helper", USERS, USER_SESSIONS)
    schedule = mounted(kubectl)
    for session, user, said in began:
        assert said == side(schedule, session, affinity_of(user))
    answers = {(user, said) for _, user, said in began}
    assert len(answers) == USERS
    chosen = {user for user, said in answers if said == "2.0.0"}
    say(f"{len(chosen)} of {USERS} users at {weight} % are the candidate's")
    assert is_split(len(chosen), USERS, weight)
    return chosen


def test_no_conversation_is_cut_by_the_loss_of_a_pod_an_abort_or_a_promotion(
    kubectl: Kubectl, redis: str
) -> None:
    before = begin(kubectl, redis, PAUSED)
    until(kubectl, "Paused", 10)
    ask(kubectl, "promote 1")
    until(kubectl, "Paused", 50)
    in_force(kubectl, 50)
    a_lost_pod_costs_a_stream_one_turn_at_most(kubectl)

    start_talking(kubectl, "aborted")
    ask(kubectl, "abort 2 a try")
    new_sessions_leave_the_candidate(kubectl)
    idle(kubectl, "RolledBack")
    seen = stop_talking(kubectl, "aborted")
    assert (seen["closed"], seen["failed"], seen["changed"]) == (0, 0, 0), json.dumps(seen)
    assert set(seen["versions"]) == {"1.0.0", "2.0.0"}, "both sides were talked to"
    assert pods(kubectl) == before

    # The rollback has written the candidate, so its field belongs to the operator now.
    kubectl.apply(manifest(redis, PAUSED), force=True)
    ask(kubectl, "retry 3")
    until(kubectl, "Paused", 10)
    ask(kubectl, "promote 4")
    until(kubectl, "Paused", 50)
    in_force(kubectl, 50)
    start_talking(kubectl, "promoted")
    ask(kubectl, "promote 5")
    idle(kubectl, "Promoted")
    seen = stop_talking(kubectl, "promoted")
    assert (seen["closed"], seen["failed"], seen["changed"]) == (0, 0, 0), json.dumps(seen)
    assert set(seen["versions"]) == {"1.0.0", "2.0.0"}
    assert pods(kubectl) == before


def new_sessions_leave_the_candidate(kubectl: Kubectl) -> None:
    """Return when new sessions are stable's, and it has stayed so for a while."""
    asked = time.monotonic()

    def left() -> None:
        assert set(begin_sessions(kubectl, "helper", 20).values()) == {"1.0.0"}

    eventually(left)
    say(f"sessions begin on stable alone {time.monotonic() - asked:.0f} s after the abort")
    for _ in range(5):
        left()


def a_lost_pod_costs_a_stream_one_turn_at_most(kubectl: Kubectl) -> None:
    start_talking(kubectl, "lost")
    (pod,) = pods(kubectl, CANARY)
    kubectl("delete", "pod", pod, "--grace-period=0", "--force")
    wait_until("stable has stepped in", lambda: stepped_in(kubectl) > 0)
    kubectl.wait_rollout(CANARY)
    seen = stop_talking(kubectl, "lost")
    assert (seen["closed"], seen["changed"]) == (0, 0), json.dumps(seen)
    assert seen["most_failed"] <= 1, json.dumps(seen)
    assert set(seen["versions"]) == {"1.0.0", "2.0.0"}
    # Stable goes on for sessions of the candidate until it reaches the new pod.
    wait_until(
        "new sessions reach the candidate again",
        lambda: "2.0.0" in begin_sessions(kubectl, "helper", 20).values(),
    )


def stepped_in(kubectl: Kubectl) -> float:
    """Return how often stable has answered in place of the candidate."""
    text = kubectl(
        *("exec", "deployment/helper", "--container=facade", "--", "python", "-c"),
        "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8081/metrics').read().decode())",
    )
    name = "omnia_rollout_stepped_in_total{"
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


@pytest.mark.exclusive
def test_an_operator_that_is_killed_at_each_change_of_the_status_ends_in_the_same_state(
    kubectl: Kubectl, omnia: Kubectl, redis: str
) -> None:
    steps: list[JsonObject] = [
        {"setWeight": 50},
        {"pause": {"duration": "5s"}},
        {"setWeight": 100},
    ]
    seen: set[tuple[object, ...]] = set()
    begin(kubectl, redis, steps)

    def over() -> bool:
        found = rollout(kubectl)
        state = tuple(found.get(name) for name in ("phase", "currentStep", "writes", "over"))
        if state not in seen:
            seen.add(state)
            selector = f"{labels.NAME}={labels.OPERATOR}"
            for pod in omnia.list("pods", selector):
                name = pod["metadata"]["name"]
                omnia("delete", "pod", name, "--grace-period=0", "--force", "--ignore-not-found")
        return "last" in found

    wait_until("the rollout is over", over, seconds=900)
    say(f"the operator was killed at {len(seen)} states: {sorted(map(str, seen))}")
    omnia.wait_rollout("omnia-operator")
    idle(kubectl, "Promoted")
    ready(kubectl, "helper")
    agent = kubectl.get("agentruntime", "helper")
    assert agent["spec"]["promptPackRef"]["version"] == "2.0.0"
    promoted = [
        each
        for each in events(kubectl, "RolloutPromoted")
        if each["involvedObject"].get("uid") == agent["metadata"]["uid"]
    ]
    # An Event that is lost with its operator is not written twice.
    assert len(promoted) <= 1
