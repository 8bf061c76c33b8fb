"""What pods say of their session store and their budget is a condition, and heals by itself."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from omnia_core.conversation.budget import judges_message, spent_message
from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import AGENT_RUNTIME, POD, SECRET
from omnia_operator.pod_checks import (
    BUDGET_CHECK,
    EVAL_BUDGET_CHECK,
    STORE_CHECK,
    WORKER_BUDGET_CHECK,
    CheckState,
    PodCheck,
    PodChecks,
    PodReport,
    next_state,
)
from omnia_operator.pod_checks.state import SILENT_ROUNDS
from omnia_operator.pod_checks.watch import QUESTIONS
from omnia_operator.status import EVALS_READY
from tests.operator.cluster import FakeCluster, config_map, everything, running_pod, secret
from tests.operator.test_evals import JUDGE, JUDGED, declaring

REDIS: JsonObject = {"session": {"type": "redis", "storeRef": {"name": "store"}}}
AWAY = "the session store cannot be reached (ConnectionError); try again"
KEY = ("default", "helper")
GOOD, BAD = PodReport("a"), PodReport("b", AWAY)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def with_store(*pods: str) -> FakeCluster:
    """A cluster with an agent that keeps its sessions in Redis, and its pods."""
    cluster = FakeCluster(
        *everything(REDIS), secret("store", {"url": "cmVkaXM6Ly9o"}), *map(running_pod, pods)
    )
    await cluster.settle()
    cluster.run_pods()
    await cluster.settle()
    return cluster


async def rounds(cluster: FakeCluster, count: int = 1) -> None:
    """Ask the pods, and reconcile what changed."""
    for _ in range(count):
        for agent in cluster.pod_checks._watched.values():
            agent.due = 0.0
        await cluster.pod_checks.ask_due()
        if cluster.told:
            cluster.told.clear()
            await cluster.settle()


async def test_an_outage_is_a_condition_and_one_event_and_heals() -> None:
    with capture_logs() as lines:
        cluster = await with_store("helper-1", "helper-2")
        cluster.pods.failures = {"helper-1": "", "helper-2": ""}
        await rounds(cluster)
        assert cluster.conditions()["SessionStoreReady"] == "True: SessionStoreReached"
        events = len(cluster.events)

        cluster.pods.failures["helper-2"] = AWAY
        await rounds(cluster, 5)

        assert cluster.status()["phase"] == "Failed"
        assert cluster.conditions()["Ready"] == "False: SessionStoreUnreachable"
        assert cluster.conditions()["SessionStoreReady"] == "False: SessionStoreUnreachable"
        assert cluster.conditions()["DeploymentReady"] == "True: DeploymentCreated"
        message = cluster.message("SessionStoreReady")
        assert message.startswith(f"pod helper-2: {AWAY}; ")
        assert "storeRef" in message
        assert cluster.events[events:] == [("helper", "SessionStoreUnreachable")]

        cluster.pods.failures["helper-2"] = ""
        await rounds(cluster)
    assert cluster.status()["phase"] == "Running"
    assert cluster.events[events + 1 :] == [("helper", "RuntimeReady")]
    told = [each["reason"] for each in lines if each.get("event") == "phase changed"]
    assert told[-3:] == ["RuntimeReady", "SessionStoreUnreachable", "RuntimeReady"]


async def test_a_fail_over_within_one_round_is_no_outage() -> None:
    cluster = await with_store("helper-1")
    cluster.pods.failures = {"helper-1": ""}
    await rounds(cluster)
    writes, events = list(cluster.writes), list(cluster.events)

    for failure in (AWAY, "", AWAY, ""):
        cluster.pods.failures["helper-1"] = failure
        await rounds(cluster)

    assert (cluster.writes, cluster.events) == (writes, events)


async def test_the_objects_of_the_agent_stay_as_they_are_during_an_outage() -> None:
    cluster = await with_store("helper-1")
    cluster.pods.failures = {"helper-1": ""}
    await rounds(cluster)
    cluster.writes.clear()

    cluster.pods.failures["helper-1"] = AWAY
    await rounds(cluster, 10)

    assert cluster.writes == ["status AgentRuntime helper"]


async def test_pods_that_say_nothing_leave_the_secret_as_all_that_is_known() -> None:
    cluster = await with_store("helper-1")
    await rounds(cluster, 3)
    assert cluster.conditions()["SessionStoreReady"] == "True: SecretFound"
    assert cluster.status()["phase"] == "Running"

    cluster.pods.failures = {"helper-1": AWAY}
    await rounds(cluster, STORE_CHECK.rounds)
    assert cluster.status()["phase"] == "Failed"
    cluster.remove(POD, "helper-1")
    await rounds(cluster, SILENT_ROUNDS)
    assert cluster.conditions()["SessionStoreReady"] == "True: SecretFound"


async def test_pods_that_do_not_run_are_not_asked() -> None:
    cluster = await with_store("ending", "pending", "helper-1")
    cluster.objects[POD, ("default", "ending")]["metadata"]["deletionTimestamp"] = "now"
    cluster.objects[POD, ("default", "pending")]["status"] = {"phase": "Pending"}
    cluster.pods.failures = {"ending": AWAY, "pending": AWAY, "helper-1": ""}

    await rounds(cluster, 3)

    assert cluster.conditions()["SessionStoreReady"] == "True: SessionStoreReached"


async def test_only_agents_with_a_shared_store_are_asked() -> None:
    cluster = await with_store("helper-1")
    cluster.pods.failures = {"helper-1": AWAY}
    cluster.put(*everything()[:1])
    await cluster.settle()
    await rounds(cluster, 3)
    assert "SessionStoreReady" not in cluster.conditions()

    cluster.put(*everything(REDIS)[:1])
    await cluster.settle()
    assert (STORE_CHECK, KEY) in cluster.pod_checks._watched
    cluster.remove(AGENT_RUNTIME, "helper")
    await cluster.reconcile(AGENT_RUNTIME)
    assert not cluster.pod_checks._watched


async def test_a_missing_secret_is_told_before_an_outage() -> None:
    cluster = await with_store("helper-1")
    cluster.pods.failures = {"helper-1": AWAY}
    await rounds(cluster, STORE_CHECK.rounds)
    cluster.remove(SECRET, "store")
    await cluster.settle()
    assert cluster.conditions()["SessionStoreReady"] == "False: SecretNotFound"


async def test_an_outage_is_asked_for_more_often_than_a_store_that_is_reached() -> None:
    cluster, clock = await with_store("helper-1"), Clock()
    asked: list[float] = []

    class Asked:
        failure = ""

        async def report(self, check: PodCheck, pod: str, address: str) -> PodReport:
            assert check is STORE_CHECK
            assert address
            asked.append(clock.now)
            return PodReport(pod, self.failure)

    pods = Asked()
    stores = PodChecks(cluster, pods, lambda _: None, clock)
    stores.state(STORE_CHECK, KEY)

    async def pass_time(seconds: int) -> list[float]:
        asked.clear()
        for _ in range(seconds * 10):
            await stores.ask_due()
            clock.now += 0.1
        return [after - before for before, after in pairwise(asked)]

    for pause in await pass_time(60):
        assert STORE_CHECK.interval * 0.75 <= pause <= STORE_CHECK.interval + 0.2
    pods.failure = AWAY
    await pass_time(60)
    for pause in await pass_time(60):
        assert STORE_CHECK.failing_interval * 0.75 <= pause <= STORE_CHECK.failing_interval + 0.2


@pytest.mark.parametrize("failure", ["", AWAY], ids=["reached", "away"])
async def test_many_agents_are_asked_less_often_each(failure: str) -> None:
    cluster, clock = await with_store("helper-1"), Clock()
    asked = 0

    class Asked:
        async def report(self, check: PodCheck, pod: str, address: str) -> PodReport:
            nonlocal asked
            assert check is STORE_CHECK
            assert address
            asked += 1
            return PodReport(pod, failure)

    stores = PodChecks(cluster, Asked(), lambda _: None, clock)
    for number in range(400):
        key = "default", f"agent-{number}"
        made = running_pod(f"agent-{number}-1")
        made["metadata"]["labels"] = {"app.kubernetes.io/instance": key[1]}
        cluster.put(made)
        stores.state(STORE_CHECK, key)
    for _ in range(3):  # until each is known
        await stores.ask_due()
        clock.now += 100
    await stores.ask_due()

    asked = 0
    for _ in range(60):
        clock.now += 1
        await stores.ask_due()
    # A random part of each interval makes it shorter by a quarter at most.
    assert asked <= 60 * QUESTIONS / 0.75
    assert asked >= 400


async def test_a_fault_while_pods_are_asked_costs_only_its_agent() -> None:
    cluster = await with_store("helper-1")
    told: list[tuple[str, str]] = []

    class Faulty:
        async def report(self, check: PodCheck, pod: str, address: str) -> PodReport:
            assert check is STORE_CHECK
            assert address
            if pod == "helper-1":
                raise RuntimeError("surprise")
            return PodReport(pod)

    other = running_pod("other-1")
    other["metadata"]["labels"] = {"app.kubernetes.io/instance": "other"}
    cluster.put(other)
    stores = PodChecks(cluster, Faulty(), told.append)
    for name in ("helper", "other"):
        stores.state(STORE_CHECK, ("default", name))
    with capture_logs() as lines:
        await stores.ask_due()
    assert told == [("default", "other")]
    assert [each["agent"] for each in lines] == ["default/helper"]


@pytest.mark.parametrize(
    ("before", "reports", "reached", "outage"),
    [
        (CheckState(), [], None, None),
        (CheckState(), [GOOD], True, None),
        (CheckState(), [BAD], None, None),
        (CheckState(doubts=1), [GOOD, BAD], False, BAD),
        (CheckState(True, doubts=1), [BAD], False, BAD),
        (CheckState(False, BAD, 2), [PodReport("b", "TimeoutError")], False, BAD),
        (CheckState(False, BAD, 2), [PodReport("c", "x")], False, PodReport("c", "x")),
        (CheckState(False, BAD, 2), [GOOD], True, None),
        (CheckState(False, BAD, 2), [], False, BAD),
        (CheckState(False, BAD, 2, silent=2), [], None, None),
    ],
)
def test_what_a_round_of_reports_means(
    before: CheckState, reports: list[PodReport], reached: bool | None, outage: PodReport | None
) -> None:
    assert next_state(before, reports, STORE_CHECK).shown == (reached, outage)


@given(st.lists(st.lists(st.sampled_from([GOOD, BAD]), max_size=3), max_size=12))
def test_one_good_round_heals_and_only_bad_rounds_in_a_row_are_an_outage(
    history: list[list[PodReport]],
) -> None:
    state = CheckState()
    for reports in history:
        state = next_state(state, reports, STORE_CHECK)
        if reports and BAD not in reports:
            assert state == CheckState(passes=True)
    bad = [BAD in reports for reports in history if reports]
    if state.failure is not None:
        assert all(bad[-STORE_CHECK.rounds :])
        assert len(bad) >= STORE_CHECK.rounds
    assert (state.passes is False) == (state.failure is not None)


SPENT = spent_message("day", 2.5, datetime(2026, 2, 1, tzinfo=UTC))
MONTH = spent_message("month", 20, datetime(2026, 3, 1, tzinfo=UTC))
RESTING = judges_message(1, datetime(2026, 2, 1, tzinfo=UTC))
LIMITED: JsonObject = {"budget": {"usdPerDay": 2.5}}


async def limited(change: JsonObject, *pods: JsonObject) -> FakeCluster:
    """A cluster with an agent that may spend so much, and pods."""
    cluster = FakeCluster(*everything(change), secret("store", {"url": "cmVkaXM6Ly9o"}), *pods)
    await cluster.settle()
    cluster.run_pods()
    await cluster.settle()
    return cluster


@pytest.mark.parametrize("store", [{}, REDIS], ids=["memory", "redis"])
async def test_a_spent_budget_is_a_condition_and_one_event_and_heals_with_the_next_day(
    store: JsonObject,
) -> None:
    cluster = await limited(LIMITED | store, running_pod("helper-1"), running_pod("helper-2"))
    assert "WithinBudget" not in cluster.conditions()
    cluster.pods.spent = {"helper-1": "", "helper-2": ""}
    await rounds(cluster)
    assert cluster.conditions()["WithinBudget"] == "True: BudgetLeft"
    events = len(cluster.events)

    cluster.pods.spent["helper-2"] = SPENT
    await rounds(cluster, 3)
    assert cluster.conditions()["WithinBudget"] == "False: BudgetSpent"
    assert cluster.message("WithinBudget") == SPENT
    assert cluster.events[events:] == [("helper", "BudgetSpent")]
    # The pods run as they should: neither a rollout nor whoever waits for the agent is to stop.
    assert cluster.status()["phase"] == "Running"
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"

    cluster.pods.spent["helper-2"] = MONTH
    await rounds(cluster)
    assert cluster.message("WithinBudget") == MONTH
    cluster.pods.spent["helper-2"] = ""
    await rounds(cluster)
    assert cluster.conditions()["WithinBudget"] == "True: BudgetLeft"
    assert len(cluster.events) == events + 1
    # Without pods nothing is known: at zero replicas nobody spends anything.
    cluster.pods.spent = {}
    await rounds(cluster, SILENT_ROUNDS)
    assert "WithinBudget" not in cluster.conditions()


async def test_a_budget_is_asked_for_only_where_there_is_one() -> None:
    cluster = await limited(LIMITED, running_pod("helper-1"))
    assert {check for check, _ in cluster.pod_checks._watched} == {BUDGET_CHECK}
    cluster.put(*everything()[:1])
    await cluster.settle()
    assert not cluster.pod_checks._watched
    assert "WithinBudget" not in cluster.conditions()
    echo = {**LIMITED, "facade": {"handler": "echo"}}
    cluster.put(*everything(echo)[:1])
    await cluster.settle()
    assert not cluster.pod_checks._watched


@pytest.mark.parametrize(
    ("store", "check", "pod"),
    [
        ({}, EVAL_BUDGET_CHECK, running_pod("helper-1")),
        (REDIS, WORKER_BUDGET_CHECK, running_pod("helper-evals-1", "helper-evals")),
    ],
    ids=["in the runtime", "in a Deployment"],
)
async def test_a_spent_budget_of_judges_is_a_reason_of_the_condition_about_evaluations(
    store: JsonObject, check: PodCheck, pod: JsonObject
) -> None:
    change = {**JUDGE, "evals": {"enabled": True, "budget": {"usdPerDay": 1}}}
    cluster = await limited(change | store, pod)
    cluster.put(config_map("pack-json", declaring(JUDGED)))
    await cluster.settle()
    cluster.run_pods()
    await cluster.settle()
    name = pod["metadata"]["name"]
    assert (check, KEY) in cluster.pod_checks._watched
    before, events = cluster.conditions()[EVALS_READY], len(cluster.events)
    assert before.startswith("True")

    cluster.pods.spent = {name: RESTING}
    await rounds(cluster, 2)
    assert cluster.conditions()[EVALS_READY] == "False: BudgetSpent"
    assert cluster.message(EVALS_READY) == RESTING
    assert cluster.events[events:] == [("helper", "BudgetSpent")]
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"

    cluster.pods.spent = {name: ""}
    await rounds(cluster)
    assert cluster.conditions()[EVALS_READY] == before


def test_a_budget_is_asked_for_less_often_than_a_store() -> None:
    assert BUDGET_CHECK.failing_interval >= 3 * STORE_CHECK.interval
    assert (STORE_CHECK.port, BUDGET_CHECK.port, WORKER_BUDGET_CHECK.port) == (9001, 9001, 9011)
    assert (BUDGET_CHECK.instance("a"), WORKER_BUDGET_CHECK.instance("a")) == ("a", "a-evals")
