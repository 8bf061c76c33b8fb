"""What is wrong with a document is said in plain words, at the right place."""

import copy
import datetime as dt
import sys
from collections.abc import Callable
from typing import Any

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_core.suggestions import MAX_FINDINGS
from omnia_operator.api import (
    AgentRuntime,
    InvalidResource,
    PromptPack,
    Provider,
    ResourceFinding,
    SessionRetentionPolicy,
    Severity,
    ToolRegistry,
    dotted,
    findings,
    parse,
    parse_served,
)
from omnia_operator.api.findings import explain, show
from omnia_operator.api.renamed_fields import OLD_FIELDS
from omnia_operator.api.schema import resource_schema
from tests.operator import objects

CASES: list[tuple[JsonObject, str, str]] = [
    (objects.agent({"mdoe": "agent"}), "spec.mdoe", "unknown field mdoe; did you mean mode?"),
    (
        objects.agent({"session": {"key": 1}}),
        "spec.session.key",
        (
            "unknown field key; the fields here are keepVariables, naming, persistentVolumeClaim,"
            " storeRef, ttl, type"
        ),
    ),
    (
        objects.agent({"mode": "agnet"}),
        "spec.mode",
        'expected one of agent, function, found "agnet"; did you mean agent?',
    ),
    (
        objects.agent({"providers": [{"name": "default"}]}),
        "spec.providers[0].providerRef",
        "the field providerRef is missing: add it",
    ),
    (
        objects.pack({"version": 1.5}),
        "spec.version",
        'expected a string, found 1.5: put it in quotes, "1.5"',
    ),
    (
        objects.pack({"version": "latest"}),
        "spec.version",
        'expected a semantic version such as "1.0.0", found "latest"',
    ),
    (
        objects.pack({"version": dt.date(2026, 1, 2)}),
        "spec.version",
        'expected a semantic version such as "1.0.0", found "2026-01-02"',
    ),
    (
        objects.agent({"facade": {"port": "80"}}),
        "spec.facade.port",
        'expected a whole number, found "80": remove the quotes',
    ),
    (
        objects.agent({"facade": {"port": 0}}),
        "spec.facade.port",
        "expected at least 1, found 0",
    ),
    (
        objects.agent({"facade": {"showTools": "yes"}}),
        "spec.facade.showTools",
        'expected true or false, found "yes"',
    ),
    (
        objects.agent({"session": {"ttl": "5 minutes"}}),
        "spec.session.ttl",
        'expected a duration such as "30s", "5m" or "1h30m", found "5 minutes"',
    ),
    (
        objects.agent({"session": {"ttl": 60}}),
        "spec.session.ttl",
        'expected a duration such as "30s", "5m" or "1h30m", found 60; write a unit, such as "60s"',
    ),
    (
        objects.agent({"session": {"ttl": "90"}}),
        "spec.session.ttl",
        (
            'expected a duration such as "30s", "5m" or "1h30m", found "90"; write a unit, such as'
            ' "90s"'
        ),
    ),
    (
        objects.agent({"session": {"ttl": [True]}}),
        "spec.session.ttl",
        'expected a duration such as "30s", "5m" or "1h30m", found a list',
    ),
    (
        objects.agent({"facade": {"media": {"maxFileSize": 4096}}}),
        "spec.facade.media.maxFileSize",
        (
            'expected a size such as "10Mi", "512k" or "1048576", found 4096; put it in quotes,'
            ' "4096"'
        ),
    ),
    (
        objects.agent({"prompt_pack_ref": {"name": "pack"}}),
        "spec.prompt_pack_ref",
        "unknown field prompt_pack_ref; did you mean promptPackRef?",
    ),
    (
        # Only the error of the entry: the list itself is long enough.
        objects.registry(objects.handler({"timeout": 5})),
        "spec.handlers[0].timeout",
        'expected a duration such as "30s", "5m" or "1h30m", found 5; write a unit, such as "5s"',
    ),
    (
        objects.provider({"base_url": "http://localhost"}),
        "spec.base_url",
        "unknown field base_url; did you mean baseURL?",
    ),
    (
        objects.agent({"facade": {"media": {"maxFileSize": "10 MB"}}}),
        "spec.facade.media.maxFileSize",
        'expected a size such as "10Mi", "512k" or "1048576", found "10 MB"',
    ),
    (
        objects.agent({"facade": []}),
        "spec.facade",
        "expected an object, found []: write its fields below it, indented and without hyphens",
    ),
    (
        objects.agent({"context": {"type": "memory"}}),
        "spec.context",
        "unknown field context; the session store is in session (type, ttl, storeRef)",
    ),
    (
        objects.agent({"facades": [{"type": "websocket"}]}),
        "spec.facades",
        "unknown field facades; write facade, one object instead of a list",
    ),
    (
        objects.agent({"providerRef": {"name": "x"}}),
        "spec.providerRef",
        ("unknown field providerRef; write providers: [{name: default, providerRef: {name: …}}]"),
    ),
    (
        objects.agent({"providers": [{"name": "a", "providerRef": {"name": "x"}, "role": "llm"}]}),
        "spec.providers[0].role",
        "unknown field role; every provider here answers: remove it",
    ),
    (
        objects.provider({"credential": {"secretRef": {"name": "s"}}}),
        "spec.credential",
        "unknown field credential; write secretRef: {name: …}",
    ),
    (
        objects.registry(objects.handler({"tool": {"name": "Write"}})),
        "spec.handlers[0].tool.name",
        (
            "expected lower-case letters, digits and underscores that begin with a letter,"
            ' found "Write"; write "write"'
        ),
    ),
    (
        objects.agent({"providers": {}}),
        "spec.providers",
        "expected a list, found {}: write its entries below it, each behind a hyphen",
    ),
    (
        objects.agent({"runtime": {"volumes": [{"emptyDir": {}}]}}),
        "spec.runtime.volumes[0].name",
        "the field name is missing: add it",
    ),
    (
        objects.agent({"rollout": {"steps": []}}),
        "spec.rollout.steps",
        "expected at least 1 entry, found 0",
    ),
    (
        objects.provider({"mock": {"responses": 3}}),
        "spec.mock.responses",
        "expected an object, found 3: write its fields below it, indented",
    ),
    (
        {"apiVersion": "example.org/v1", "kind": "Provider"},
        "apiVersion",
        'expected omnia.altairalabs.ai/v1alpha1, found "example.org/v1"',
    ),
    (
        objects.document("agent", "a", {}),
        "kind",
        (
            "expected one of AgentRuntime, PromptPack, ToolRegistry, Provider,"
            ' SessionRetentionPolicy, RolloutAnalysis, found "agent"; did you mean AgentRuntime?'
        ),
    ),
]


@pytest.mark.parametrize(("document", "path", "message"), CASES, ids=[case[2] for case in CASES])
def test_a_wrong_document_is_explained(document: JsonObject, path: str, message: str) -> None:
    with pytest.raises(InvalidResource) as caught:
        parse(document)

    assert [(dotted(each.path), each.message) for each in caught.value.findings] == [
        (path, message)
    ]
    assert path in str(caught.value)


def test_no_former_field_exists_today() -> None:
    for resource in (AgentRuntime, PromptPack, ToolRegistry, Provider, SessionRetentionPolicy):
        schema = resource_schema(resource)
        for path in OLD_FIELDS[resource.kind_name]:
            *parents, name = path.split(".")
            node: JsonObject = schema
            for step in parents:
                node = node["properties"][step]
                node = node.get("items", node)
            assert name not in node["properties"], path


def test_all_faults_are_reported_at_once() -> None:
    document = objects.agent({"facade": {"port": 0, "typ": "websocket"}, "mode": "x"})

    assert len(findings(document)) == 3


# Functions: they are large, and every process of a test run loads this file.
FAULTS: dict[str, Callable[[], JsonObject]] = {
    "unknown": lambda: {f"type{number}": "mock" for number in range(1000)},
    "deeper": lambda: {"pricing": {f"price{n}": "x" * 100_000 for n in range(1000)}},
    "large": lambda: {"headers": {str(number): ["x" * 100_000] for number in range(1000)}},
    "long": lambda: {"a" * 100_000 + str(number): 1 for number in range(1000)},
}


@pytest.mark.parametrize("spec", FAULTS.values(), ids=FAULTS)
def test_the_first_faults_are_explained_and_the_others_counted(
    spec: Callable[[], JsonObject], monkeypatch: pytest.MonkeyPatch
) -> None:
    explained: list[object] = []

    def counted(*given: Any) -> ResourceFinding:
        explained.append(given)
        return explain(*given)

    # The package has a function of the module's name.
    monkeypatch.setattr(sys.modules[explain.__module__], "explain", counted)
    with pytest.raises(InvalidResource) as caught:
        parse(objects.provider(spec()))

    assert len(explained) == MAX_FINDINGS
    assert len(caught.value.findings) == MAX_FINDINGS + 1
    assert caught.value.findings[-1].message == "there are 900 more errors: mend these first"
    assert len(str(caught.value)) < MAX_FINDINGS * 2000


def test_the_first_broken_rules_are_explained_and_the_others_counted() -> None:
    handlers = [objects.handler({"name": "same"}) for _ in range(MAX_FINDINGS + 8)]
    found = findings(objects.registry(*handlers))
    assert len(found) == MAX_FINDINGS + 1
    assert found[-1].message == "there are 8 more errors: mend these first"


def test_a_value_is_shown_without_writing_the_whole_document() -> None:
    written: list[int] = []

    class Value:
        def __str__(self) -> str:
            written.append(1)
            return "x"

    assert show([Value() for _ in range(10_000)]).endswith("…")
    assert len(written) < 100


LATER: list[tuple[JsonObject, str]] = [
    (
        objects.registry(
            objects.handler(),
            objects.handler(
                {
                    "name": "files",
                    "tool": {"name": "files"},
                    "auth": {
                        "type": "workloadIdentity",
                        "workloadIdentity": {"cloud": "azure", "audience": "files"},
                    },
                }
            ),
        ),
        "spec.handlers[1].auth.type",
    ),
]


@pytest.mark.parametrize(("document", "path"), LATER, ids=[case[1] for case in LATER])
def test_what_nothing_acts_on_yet_is_a_warning(document: JsonObject, path: str) -> None:
    assert [(dotted(each.path), each.severity) for each in findings(document)] == [
        (path, Severity.WARNING)
    ]
    assert parse(document)


@pytest.mark.parametrize(
    "change",
    [{"evals": {"enabled": False}}, {"session": {"type": "memory"}}],
)
def test_what_is_switched_off_warns_of_nothing(change: JsonObject) -> None:
    assert findings(objects.agent(change)) == []


def test_the_api_servers_fields_of_a_later_version_are_passed_over() -> None:
    document = objects.agent({"facade": {"type": "websocket", "later": {"a": 1}}, "newer": []})
    document["spec"]["providers"] = [
        {"name": "default", "providerRef": {"name": "p"}, "weight": 1},
        {"name": "fallback", "providerRef": {"name": "q"}},
    ]
    before = copy.deepcopy(document)
    resource = parse_served(document)
    assert isinstance(resource, AgentRuntime)
    assert [provider.name for provider in resource.spec.providers] == ["default", "fallback"]
    assert document == before
    with pytest.raises(InvalidResource, match="unknown field later"):
        parse(document)


def test_a_served_resource_that_is_wrong_otherwise_is_still_invalid() -> None:
    document = objects.agent({"newer": 1, "mode": "choir"})
    with pytest.raises(InvalidResource) as caught:
        parse_served(document)
    assert [finding.path for finding in caught.value.findings] == [("spec", "mode")]
