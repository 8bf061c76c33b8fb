"""Results of evaluations of the runtime and of judges, where people look for them."""

import json
import subprocess
import time
from pathlib import Path

import yaml

from omnia_core.jsonvalue import JsonObject
from tests.end_to_end.conftest import LIMIT, OMNIA, ROOT, Start
from tests.operator import objects, world
from tests.operator.cluster import config_map
from tests.services import free_port

VERDICT = json.dumps({"score": 0.75, "passed": True, "reasoning": "It greets."})
NEEDED: JsonObject = {"threshold": {"min_score": 0.9}, "trigger": "every_turn"}
EVALS: list[JsonObject] = [
    {"id": "polite", "type": "contains", "params": {"patterns": ["hi", "bye"]}, **NEEDED},
    {"id": "kind", "type": "llm_judge", "params": {"criteria": "Kind."}, **NEEDED},
]


def manifests() -> str:
    """An agent whose judge is a script, as YAML."""
    judge = objects.provider({"mock": {"responses": {"defaultResponse": VERDICT}}})
    judge["metadata"]["name"] = "judge"
    spec = {
        "facade": {"type": "websocket", "port": free_port()},
        "providers": [
            {"name": "default", "providerRef": {"name": "model"}},
            {"name": "judge", "providerRef": {"name": "judge"}},
        ],
        "evals": {"enabled": True, "sampling": {"extendedRate": 100}},
    }
    documents = [
        objects.agent(spec),
        objects.pack(),
        config_map("pack-json", {"pack.json": json.dumps({**world.PACK, "evals": EVALS})}),
        objects.provider({"mock": {"responses": {"defaultResponse": "hi there"}}}),
        judge,
    ]
    return yaml.safe_dump_all(documents)


def test_results_of_both_kinds_are_shown_with_score_threshold_explanation_and_source(
    start: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    def omnia(*words: str) -> str:
        return subprocess.run(
            [*OMNIA, *words],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            timeout=LIMIT,
        ).stdout

    (tmp_path / "agent.yaml").write_text(manifests())
    start(tmp_path).wait("ready", name="helper")
    omnia("chat", "helper", "hello")
    session = json.loads(omnia("sessions", "list", "--json").splitlines()[0])["id"]
    deadline = time.monotonic() + LIMIT
    while len(found := shown(omnia("sessions", "show", session, "--json"))) < 2:
        assert time.monotonic() < deadline, found
    polite, kind = found["polite"], found["kind"]
    assert (polite["source"], kind["source"]) == ("inline", "worker")
    assert (polite["score"], kind["score"]) == (0.5, 0.75)
    assert (polite["threshold"], kind["threshold"]) == (">= 0.9", ">= 0.9")
    assert (polite["outcome"], kind["outcome"]) == ("failed", "failed")
    assert kind["explanation"] == "It greets."
    assert polite["explanation"]
    text = omnia("sessions", "show", session)
    assert "eval kind of turn 1: failed 0.75 (worker, needs >= 0.9, " in text
    assert "USD): It greets." in text
    assert "eval polite of turn 1: failed 0.50 (inline, needs >= 0.9): " in text


def shown(text: str) -> dict[str, JsonObject]:
    """Return results of evaluations, by their ids."""
    return {each["evaluation"]: each for each in json.loads(text)["eval-results"]}
