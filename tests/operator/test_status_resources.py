"""What the status of a Provider, a ToolRegistry and a SessionRetentionPolicy says."""

from dataclasses import replace

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import Provider, ToolRegistry, parse
from omnia_operator.api.meta import ConditionStatus
from omnia_operator.api.provider import ProviderPhase, ProviderStatus
from omnia_operator.api.sessionretentionpolicy import (
    RetentionBounds,
    RetentionPhase,
    SessionRetentionPolicyStatus,
)
from omnia_operator.api.toolregistry import RegistryPhase, ToolRegistryStatus, ToolStatus
from omnia_operator.discovery import DiscoveryResult, FoundTool, HandlerTools
from omnia_operator.resolve import Problem
from omnia_operator.status import (
    PolicyFacts,
    effective,
    policy_status,
    provider_status,
    registry_status,
)
from omnia_operator.status.conditions import dated, true
from tests.operator import objects
from tests.operator.statuses import LATER, NOW, Told, problem, told


@pytest.mark.parametrize(
    ("change", "wrong", "phase", "expected"),
    [
        (
            {},
            None,
            ProviderPhase.READY,
            {
                "SecretFound": ("True", "NoSecretRequired", ""),
                "CredentialConfigured": ("True", "NoCredentialRequired", ""),
            },
        ),
        (
            {"type": "openai", "model": "m", "secretRef": {"name": "key"}},
            None,
            ProviderPhase.READY,
            {
                "SecretFound": ("True", "SecretFound", ""),
                "CredentialConfigured": ("True", "CredentialConfigured", ""),
            },
        ),
        (
            {},
            problem("ProviderReady", "SecretKeyMissing", "no key"),
            ProviderPhase.ERROR,
            {
                "SecretFound": ("False", "SecretKeyMissing", "no key"),
                "CredentialConfigured": ("False", "CredentialRequired", "no key"),
            },
        ),
        (
            {},
            problem("ProviderReady", "ProviderNotReady", "no responses"),
            ProviderPhase.ERROR,
            {"CredentialConfigured": ("False", "ProviderNotReady", "no responses")},
        ),
        (
            None,
            problem("ProviderReady", "InvalidSpec", "spec.type: unknown"),
            ProviderPhase.ERROR,
            {
                "SecretFound": ("False", "InvalidSpec", "spec.type: unknown"),
                "CredentialConfigured": ("False", "InvalidSpec", "spec.type: unknown"),
            },
        ),
    ],
)
def test_a_provider_says_whether_its_credential_is_there(
    change: JsonObject | None, wrong: Problem | None, phase: ProviderPhase, expected: Told
) -> None:
    provider = None if change is None else parse(objects.provider(change))
    assert provider is None or isinstance(provider, Provider)
    before = dated([true("SecretFound", "Was")], (), 1, LATER)
    status = provider_status(7, provider, wrong, ProviderStatus(conditions=before), NOW)
    assert (status.observed_generation, status.phase) == (7, phase)
    assert told(status.conditions) == expected
    kept = [each.last_transition_time for each in status.conditions if each.type == "SecretFound"]
    holds = expected.get("SecretFound", ("", "", ""))[0] == "True"
    assert kept == ([] if "SecretFound" not in expected else [LATER if holds else NOW])


# ToolRegistry


def registry(*handlers: JsonObject, **more: object) -> ToolRegistry:
    parsed = parse(objects.registry(*handlers, **more))
    assert isinstance(parsed, ToolRegistry)
    return parsed


CLIENT = {
    "name": "ask",
    "type": "client",
    "tool": {"name": "ask", "description": "Asks.", "inputSchema": {}},
    "httpConfig": None,
}
FINE = HandlerTools("weather", ToolStatus.AVAILABLE, (FoundTool("weather", "Says it."),))
GONE = HandlerTools("weather", ToolStatus.UNAVAILABLE, error="no answer")
UNCLEAR = HandlerTools("weather", ToolStatus.UNKNOWN)
REMARKED = replace(FINE, remarks=("a", "b"))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((FINE,), ("True", "ToolsDiscovered", "")),
        ((FINE, GONE, GONE), ("False", "ServerUnavailable", "no answer; no answer")),
        ((UNCLEAR, replace(UNCLEAR, error="e")), ("Unknown", "KnownToAgentsOnly", "weather; e")),
        ((FINE, UNCLEAR), ("True", "PartlyDiscovered", "weather")),
        ((REMARKED,), ("True", "PartlyDiscovered", "weather: a; weather: b")),
        ((UNCLEAR, REMARKED), ("True", "PartlyDiscovered", "weather; weather: a; weather: b")),
    ],
)
def test_a_registry_says_what_its_servers_answered(
    answers: tuple[HandlerTools, ...], expected: tuple[str, str, str]
) -> None:
    found = DiscoveryResult(answers, 60, frozenset())
    status = registry_status(3, registry(), found, ToolRegistryStatus(), NOW)
    conditions = told(status.conditions)
    assert conditions == {
        "HandlersValid": ("True", "HandlersValid", ""),
        "ToolsDiscovered": expected,
    }
    assert status.observed_generation == 3
    assert status.discovered_tools_count == len(status.discovered_tools)


@pytest.mark.parametrize(
    ("handlers", "more", "asked", "time"),
    [
        ([], {"probe": {"enabled": True}}, ["weather"], LATER),
        ([], {"probe": {"enabled": False}}, ["weather"], NOW),
        ([], {}, ["weather"], NOW),
        ([objects.handler(CLIENT)], {"probe": {"enabled": True}}, ["ask"], NOW),
        ([], {"probe": {"enabled": True}}, [], NOW),
        (
            [
                objects.handler(CLIENT),
                objects.handler(
                    {
                        "name": "mcp",
                        "type": "mcp",
                        "tool": None,
                        "httpConfig": None,
                        "mcpConfig": {"transport": "streamable-http", "endpoint": "http://m.t/"},
                    }
                ),
            ],
            {},
            ["mcp"],
            LATER,
        ),
    ],
)
def test_the_time_of_a_discovery_is_that_of_servers_that_were_asked(
    handlers: list[JsonObject], more: JsonObject, asked: list[str], time: str
) -> None:
    made = registry(*handlers, **more)
    first = registry_status(
        1, made, DiscoveryResult((FINE,), 60, frozenset(asked)), ToolRegistryStatus(), NOW
    )
    second = registry_status(1, made, DiscoveryResult((FINE,), 60, frozenset(asked)), first, LATER)
    assert (first.last_discovery_time, second.last_discovery_time) == (NOW, time)


def test_an_invalid_registry_has_no_tools_and_keeps_its_time() -> None:
    found = DiscoveryResult((FINE,), 60, frozenset())
    valid = registry_status(1, registry(), found, ToolRegistryStatus(), NOW)
    status = registry_status(2, None, "spec.handlers: too many", valid, LATER)
    assert status.discovered_tools == ()
    assert (status.observed_generation, status.phase, status.discovered_tools_count) == (
        2,
        RegistryPhase.FAILED,
        0,
    )
    assert status.last_discovery_time == NOW
    assert told(status.conditions) == {
        "HandlersValid": ("False", "ValidationFailed", "spec.handlers: too many"),
        "ToolsDiscovered": ("False", "ValidationFailed", "the handlers are invalid"),
    }
    assert {each.last_transition_time for each in status.conditions} == {LATER}


# SessionRetentionPolicy

BOUNDS = RetentionBounds.model_validate({"retentionDays": 3})
DRY = RetentionBounds.model_validate({"retentionDays": 3, "dryRun": True})
AGENTS = (("a", "memory"), ("b", "postgres"), ("c", "redis"))


@pytest.mark.parametrize(
    ("spec", "in_force", "phase", "expected"),
    [
        (
            BOUNDS,
            "mine",
            RetentionPhase.ACTIVE,
            ("True", "InForce", "in force for the agents and functions of this namespace"),
        ),
        (
            DRY,
            "mine",
            RetentionPhase.DRY_RUN,
            ("True", "DryRun", "a dry run: what would end or be deleted is only counted"),
        ),
        (
            BOUNDS,
            "older",
            RetentionPhase.SUPERSEDED,
            (
                "False",
                "Superseded",
                (
                    'the older SessionRetentionPolicy "older" is in force in this namespace: change'
                    " that one and delete this one, or delete that one"
                ),
            ),
        ),
        (
            "wrong",
            "mine",
            RetentionPhase.FAILED,
            (
                "False",
                "InvalidSpec",
                "wrong; the last valid spec stays in force until this one is corrected",
            ),
        ),
        (
            "wrong",
            "older",
            RetentionPhase.FAILED,
            ("False", "InvalidSpec", 'wrong; SessionRetentionPolicy "older" is in force'),
        ),
        (
            "wrong",
            "",
            RetentionPhase.FAILED,
            ("False", "InvalidSpec", "wrong; nothing is bounded until the spec is corrected"),
        ),
    ],
)
def test_a_policy_says_whether_it_is_in_force(
    spec: RetentionBounds | str,
    in_force: str,
    phase: RetentionPhase,
    expected: tuple[str, str, str],
) -> None:
    previous = SessionRetentionPolicyStatus(last_valid_spec=DRY)
    facts = PolicyFacts(5, "mine", spec, in_force, AGENTS)
    status = policy_status(facts, previous, NOW)
    holds = in_force == "mine"
    assert (status.observed_generation, status.phase) == (5, phase)
    assert status.agents == (3 if holds else 0)
    assert status.last_valid_spec == (spec if isinstance(spec, RetentionBounds) else DRY)
    conditions = told(status.conditions)
    assert conditions["Active"] == expected
    assert ("Effective" in conditions) is holds


def test_a_policy_that_was_never_valid_has_no_effect_to_speak_of() -> None:
    facts = PolicyFacts(5, "mine", "wrong", "mine", AGENTS)
    status = policy_status(facts, SessionRetentionPolicyStatus(), NOW)
    assert set(told(status.conditions)) == {"Active"}


@pytest.mark.parametrize(
    ("bounds", "agents", "reason"),
    [
        ({"retentionDays": 3}, AGENTS, "NothingIsKept"),
        ({"retentionDays": 3}, (*AGENTS, ("d", "sqlite")), "NothingIsKept"),
        ({"retentionDays": 3}, AGENTS[1:2], "EveryBound"),
        ({"ttlAfterInactive": "1h"}, AGENTS, "EveryBound"),
    ],
)
def test_days_have_an_effect_only_in_postgres(
    bounds: JsonObject, agents: tuple[tuple[str, str], ...], reason: str
) -> None:
    found = effective(RetentionBounds.model_validate(bounds), agents)
    assert (found.type, found.reason) == ("Effective", reason)
    if reason == "NothingIsKept":
        assert found.status is ConditionStatus.FALSE
        assert found.message.startswith("for a, c retentionDays only bounds how long a session can")
