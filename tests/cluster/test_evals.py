"""Conversations are evaluated on a real cluster: by the runtime, and by the worker beside it."""

import datetime as dt
import json
import os
from collections import Counter

import pytest

from omnia_core.files.evals.sampling import SESSION, sampled
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import EvalResult
from omnia_core.sessions.evaluations import decode_result
from omnia_operator.labels import INSTANCE
from tests.cluster.agents import events, here, ready, told
from tests.cluster.harness.console import say
from tests.cluster.harness.waiting import becomes, eventually
from tests.cluster.kubectl import Kubectl
from tests.cluster.talking import talk_often
from tests.operator import objects, world
from tests.operator.cluster import config_map

pytestmark = pytest.mark.usefixtures("omnia")

SESSIONS = int(os.environ.get("EVAL_SESSIONS", "40"))
"""How many sessions are evaluated (200 for the full size)."""
TURNS, RATE = 3, 20
VERDICT = json.dumps({"score": 0.75, "passed": True, "reasoning": "fine"})
EVALS: list[JsonObject] = [
    {
        "id": "answers",
        "type": "contains",
        "trigger": "every_turn",
        "params": {"patterns": ["hi there"]},
    },
    {
        "id": "kind",
        "type": "llm_judge",
        "trigger": "every_turn",
        "params": {"criteria": "It is kind."},
    },
    {
        "id": "whole",
        "type": "llm_judge_session",
        "trigger": "on_session_complete",
        "params": {"criteria": "It is kind."},
    },
]


def evaluated(redis: str) -> list[JsonObject]:
    """An agent that is evaluated, with all that it refers to."""
    judge = objects.provider({"mock": {"responses": {"defaultResponse": VERDICT}}})
    judge["metadata"]["name"] = "judge"
    spec = {
        "session": {"type": "redis", "storeRef": {"name": redis}},
        "providers": [
            {"name": "default", "providerRef": {"name": "model"}},
            {"name": "judge", "providerRef": {"name": "judge"}},
        ],
        "evals": {
            "enabled": True,
            "sampling": {"extendedRate": RATE},
            "sessionCompletion": {"inactivityTimeout": "15s"},
        },
    }
    documents = [
        objects.agent(spec),
        objects.pack(),
        config_map("pack-json", {"pack.json": json.dumps({**world.PACK, "evals": EVALS})}),
        objects.provider({"mock": {"responses": {"defaultResponse": "hi there"}}}),
        judge,
    ]
    return [here(each) for each in documents]


def results(kubectl: Kubectl, redis: str, sessions: list[str]) -> list[EvalResult]:
    """Return what the store has of the evaluations of sessions."""
    keys = (f"omnia:{kubectl.namespace}:helper:{{{name}}}:past" for name in sessions)
    commands = "".join(f"HGETALL {key}\n" for key in keys)
    cli = ("exec", "--stdin", f"deployment/{redis}", "--", "redis-cli", "--json")
    answers: list[dict[str, str]] = [
        json.loads(line) for line in kubectl(*cli, stdin=commands).splitlines()
    ]
    return [
        decode_result(value)
        for fields in answers
        for field, value in fields.items()
        if field.startswith("eval:")
    ]


def test_turns_and_sessions_are_evaluated_and_exactly_the_sampled_ones_judged(
    kubectl: Kubectl, redis: str
) -> None:
    kubectl.apply(*evaluated(redis))
    ready(kubectl, "helper")
    kubectl.wait_available("helper-evals")
    told(kubectl, "helper", "EvalsReady", ("True", "Ready"))
    names = talk_often(kubectl, "helper", SESSIONS, TURNS)
    over = dt.datetime.now(dt.UTC)
    turns = [(name, number) for name in names for number in range(1, TURNS + 1)]
    judged = {turn for turn in turns if sampled(*turn, RATE)}
    whole = {(name, TURNS) for name in names if sampled(name, SESSION, RATE)}
    expected = Counter(answers=len(turns), kind=len(judged), whole=len(whole))

    def stored() -> list[EvalResult]:
        found = results(kubectl, redis, names)
        assert Counter(each.evaluation for each in found) == +expected
        return found

    found = eventually(stored, seconds=300)

    def of(name: str) -> set[tuple[str, int]]:
        return {(each.session, each.turn) for each in found if each.evaluation == name}

    assert (of("answers"), of("kind"), of("whole")) == (set(turns), judged, whole)
    assert {each.outcome for each in found} == {"passed"}
    last = (max(dt.datetime.fromisoformat(each.at) for each in found) - over).total_seconds()
    say(f"{expected}; the last one {last:.1f} s after the last message")


def test_without_a_judge_the_agent_serves_and_says_what_to_add(
    kubectl: Kubectl, redis: str
) -> None:
    agent, *others = evaluated(redis)
    agent["spec"]["providers"] = agent["spec"]["providers"][:1]
    kubectl.apply(agent, *others)
    ready(kubectl, "helper")
    line = "- {name: judge, providerRef: {name: PROVIDER}}"
    told(kubectl, "helper", "EvalsReady", ("False", "JudgeMissing"), line)


def test_spent_budgets_are_conditions_and_events(kubectl: Kubectl, redis: str) -> None:
    agent, *others = evaluated(redis)
    # Each answer, and each judge, costs more than its budget.
    agent["spec"]["budget"] = {"usdPerDay": 0.000001}
    agent["spec"]["evals"]["budget"] = {"usdPerDay": 0.000001}
    agent["spec"]["evals"]["sampling"] = {"extendedRate": 100}
    for each in others:
        if each["kind"] == "Provider":
            each["spec"]["pricing"] = {"inputCostPer1K": 1, "outputCostPer1K": 1}
    kubectl.apply(agent, *others)
    ready(kubectl, "helper")
    kubectl.wait_available("helper-evals")
    # A pod has said that the budget has something left.
    told(kubectl, "helper", "WithinBudget", ("True", "BudgetLeft"))
    talk_often(kubectl, "helper", 1, 1)
    spent = ("False", "BudgetSpent")
    told(kubectl, "helper", "WithinBudget", spent, "USD a day, is spent")
    told(kubectl, "helper", "EvalsReady", spent, "they are asked again from")
    ready(kubectl, "helper")
    becomes(lambda: [each["type"] for each in events(kubectl, "BudgetSpent")], ["Warning"] * 2)
    # A higher limit heals it, as the next day does.
    agent["spec"]["budget"] = agent["spec"]["evals"]["budget"] = {"usdPerDay": 1000}
    kubectl.apply(agent)
    told(kubectl, "helper", "WithinBudget", ("True", "BudgetLeft"))
    told(kubectl, "helper", "EvalsReady", ("True", "Ready"))


def test_light_evaluations_alone_need_no_pod_more(kubectl: Kubectl, redis: str) -> None:
    text = json.dumps({**world.PACK, "evals": EVALS[:1]})
    documents = [
        each if each["kind"] != "ConfigMap" else here(config_map("pack-json", {"pack.json": text}))
        for each in evaluated(redis)
    ]
    kubectl.apply(*documents)
    ready(kubectl, "helper")
    told(kubectl, "helper", "EvalsReady", ("True", "Ready"))
    deployments = kubectl.list("deployments", f"{INSTANCE}=helper")
    assert [each["metadata"]["name"] for each in deployments] == ["helper"]
