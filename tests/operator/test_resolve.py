"""An agent is resolved from what was found, or its problems say what to do."""

import json
from typing import Any

import pytest

from omnia_core.files.pack import parse_pack
from omnia_core.jsonvalue import JsonObject
from omnia_operator.resolve import Found, SecretSource, secret_keys
from omnia_operator.resolve.lineup import precedence
from tests.operator import objects, world

OPENAI: JsonObject = {"type": "openai", "model": "gpt", "secretRef": {"name": "keys"}}
WHOLE = world.found(objects.pack(), objects.provider())


def pack(name: str, version: str, *, of: str = "pack") -> JsonObject:
    document = objects.pack({"packName": of, "version": version}, name=name)
    return objects.merge(document, {"spec": {"source": {"configMapRef": {"name": "pack-json"}}}})


def elsewhere(document: JsonObject, *allowed: str) -> JsonObject:
    grant = {"allowedNamespaces": list(allowed)} if allowed else {}
    return objects.merge(document, {"metadata": {"namespace": "shared"}, "spec": grant})


def secrets(*keys: str, namespace: str = "default") -> dict[tuple[str, str], frozenset[str]]:
    return {(namespace, "keys"): frozenset(keys)}


def test_an_agent_gets_its_pack_and_its_provider() -> None:
    resolved = world.resolved(objects.agent(), WHOLE)

    assert resolved.pack is not None
    assert resolved.pack.stable.text == world.PACK_TEXT
    assert [each.name for each in resolved.providers] == ["default"]
    assert resolved.handlers == ()


@pytest.mark.parametrize(
    ("version", "chosen"),
    [(None, "1.10.0"), ("1.2.0", "1.2.0"), ("v1.2.0", "1.2.0")],
)
def test_a_version_is_pinned_or_else_the_highest(version: str | None, chosen: str) -> None:
    there = world.found(
        pack("a", "1.2.0"),
        pack("b", "1.10.0"),
        pack("c", "1.10.0-rc.1"),
        pack("d", "9.0.0", of="other"),
        objects.provider(),
    )
    reference = {"name": "pack"} | ({"version": version} if version else {})
    resolved = world.resolved(objects.agent({"promptPackRef": reference}), there)

    assert resolved.pack is not None
    assert resolved.pack.stable.version == chosen


def test_a_pack_can_be_named_by_its_object() -> None:
    there = world.found(pack("a", "1.2.0"), pack("b", "2.0.0"), objects.provider())
    resolved = world.resolved(objects.agent({"promptPackRef": {"name": "a"}}), there)

    assert resolved.pack is not None
    assert (resolved.pack.stable.name, resolved.pack.stable.version) == ("pack", "1.2.0")


def test_versions_are_ordered_as_semver_says() -> None:
    ascending = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "v1.2.0",
        "1.10.0",
    ]

    assert sorted(set(ascending), key=precedence) == ascending


def test_an_inline_prompt_becomes_a_pack_that_may_call_the_tools() -> None:
    document = objects.agent(
        {
            "promptPackRef": None,
            "prompt": {"system": "Greet, it is {{current_time}}."},
            "toolRegistryRef": {"name": "tools"},
        }
    )
    resolved = world.resolved(document, world.found(objects.provider(), objects.registry()))

    assert resolved.pack is not None
    assert None not in json.loads(resolved.pack.stable.text).values()
    prompt = parse_pack(resolved.pack.stable.text).prompt("default")
    assert prompt.system_template == "Greet, it is {{current_time}}."
    assert prompt.tools == ["weather"]
    assert [handler.name for handler in resolved.handlers] == ["weather"]


def test_an_inline_provider_is_the_default() -> None:
    document = objects.agent({"providers": None, "provider": OPENAI})
    there = world.found(objects.pack(), secrets=secrets("OPENAI_TOKEN", "other"))

    (provider,) = world.resolved(document, there).providers
    assert provider.name == "default"
    assert provider.secret == SecretSource("default", "keys", "OPENAI_TOKEN")


@pytest.mark.parametrize("handler", ["echo", "demo"])
def test_a_facade_that_answers_by_itself_needs_nothing(handler: str) -> None:
    resolved = world.resolved(objects.agent({"facade": {"handler": handler}}), Found())

    assert (resolved.pack, resolved.providers) == (None, ())


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        ({"type": "claude"}, ("ANTHROPIC_API_KEY", "CLAUDE_API_KEY", "api-key")),
        ({"type": "gemini"}, ("GEMINI_API_KEY", "GOOGLE_API_KEY", "api-key")),
        (
            {"type": "vllm"},
            ("api-key", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"),
        ),
        ({"secretRef": {"key": "mine"}}, ("mine",)),
        ({"type": "ollama", "secretRef": None}, ()),
    ],
)
def test_a_secret_is_searched_for_the_usual_keys(change: JsonObject, keys: tuple[str]) -> None:
    resource = objects.merge(OPENAI, change)
    agent = world.agent(objects.agent({"providers": None, "provider": resource}))

    assert agent.spec.provider is not None
    assert secret_keys(agent.spec.provider) == keys


@pytest.mark.parametrize("allowed", ["default", "*"])
def test_a_granted_provider_of_another_namespace_brings_its_own_secret(allowed: str) -> None:
    document = objects.agent(
        {
            "providers": [
                {"name": "default", "providerRef": {"name": "model", "namespace": "shared"}}
            ]
        }
    )
    there = world.found(
        objects.pack(),
        elsewhere(objects.provider(OPENAI), allowed),
        secrets=secrets("api-key", namespace="shared"),
    )

    (provider,) = world.resolved(document, there).providers
    assert provider.secret == SecretSource("shared", "keys", "api-key")


RESPONSES: dict[str, tuple[JsonObject, str]] = {
    "an object": ({"responses": {"defaultResponse": "hi"}}, "defaultResponse: hi\n"),
    "an object in its own order": ({"responses": {"b": "ü", "a": 1}}, "b: ü\na: 1\n"),
    "a ConfigMap": ({"configMapRef": {"name": "mock"}}, "defaultResponse: from the map"),
}


@pytest.mark.parametrize(("mock", "text"), RESPONSES.values(), ids=RESPONSES)
def test_mock_responses_become_text(mock: JsonObject, text: str) -> None:
    maps = {
        "pack-json": {"pack.json": world.PACK_TEXT},
        "mock": {"mock-responses.yaml": "defaultResponse: from the map"},
    }
    there = world.found(objects.pack(), objects.provider({"mock": mock}), config_maps=maps)

    (provider,) = world.resolved(objects.agent(), there).providers
    assert provider.responses == text


def annotated(**annotations: str) -> JsonObject:
    names = {f"omnia.altairalabs.ai/{key.replace('_', '-')}": v for key, v in annotations.items()}
    return objects.agent(None, annotations=names)


def test_the_mock_annotation_needs_no_key_and_no_provider() -> None:
    document = annotated(mock_provider="true", mock_config_path="/etc/omnia/mock/answers.yaml")
    there = world.found(objects.pack(), objects.provider(OPENAI))

    for each in (there, world.found(objects.pack())):
        (provider,) = world.resolved(document, each).providers
        assert provider.settings.type == "mock"
        assert provider.responses_path == "/etc/omnia/mock/answers.yaml"
        assert provider.secret is None


def test_the_mock_annotation_keeps_the_responses_of_a_mock() -> None:
    there = world.found(objects.pack(), objects.provider({"mock": {"responses": {"a": "b"}}}))

    (provider,) = world.resolved(annotated(mock_provider="true"), there).providers
    assert provider.responses == "a: b\n"


def mocking(responses: str) -> Found:
    """Return a mock provider whose ConfigMap has these responses."""
    config_maps = {
        "pack-json": {"pack.json": world.PACK_TEXT},
        "mock": {"mock-responses.yaml": responses},
    }
    mock = objects.provider({"mock": {"configMapRef": {"name": "mock"}}})
    return world.found(objects.pack(), mock, config_maps=config_maps)


def maps(text: str | None = None, key: str = "pack.json") -> dict[str, dict[str, str]]:
    return {"pack-json": {} if text is None else {key: text}}


MAIN = world.PACK["prompts"]["main"]
TWO_PROMPTS = json.dumps(world.PACK | {"prompts": dict.fromkeys("ab", MAIN)})
TOOLS = {"toolRegistryRef": {"name": "tools"}}
TOOLS_ELSEWHERE = {"toolRegistryRef": {"name": "tools", "namespace": "shared"}}
SHARED = {"providers": [{"name": "m", "providerRef": {"name": "model", "namespace": "shared"}}]}

MULTIPLYING = "a0: &a0 {x: y}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12)
)
"""Merge keys that repeat nine times what the line before them says."""

PROBLEMS: dict[str, tuple[Any, Found, tuple[str, str], str]] = {
    "no pack": (
        {},
        world.found(objects.provider(), pack("other", "1.0.0", of="support")),
        ("PromptPackReady", "PromptPackNotFound"),
        (
            'there is no PromptPack "pack" in namespace "default" (existing: support): create it,'
            " or correct spec.promptPackRef.name"
        ),
    ),
    "no such version": (
        {"promptPackRef": {"version": "3.0.0"}},
        world.found(objects.provider(), pack("a", "1.9.0"), pack("b", "1.10.0")),
        ("PromptPackReady", "PromptPackNotFound"),
        (
            'PromptPack "pack" has no version 3.0.0 (existing: 1.10.0, 1.9.0): create it,'
            " or correct spec.promptPackRef.version"
        ),
    ),
    "no content": (
        {},
        world.found(objects.provider(), objects.pack(), config_maps={}),
        ("PromptPackReady", "PromptPackInvalid"),
        (
            'there is no ConfigMap "pack-json" in namespace "default": create it, or correct'
            ' spec.source.configMapRef.name of PromptPack "pack"'
        ),
    ),
    "content under another key": (
        {},
        world.found(objects.provider(), objects.pack(), config_maps=maps("{}", "p.json")),
        ("PromptPackReady", "PromptPackInvalid"),
        'has no key pack.json, which PromptPack "pack" reads (keys: p.json)',
    ),
    "content that is no JSON": (
        {},
        world.found(objects.provider(), objects.pack(), config_maps=maps('{\n "id": x}')),
        ("PromptPackReady", "PromptPackInvalid"),
        'the content of PromptPack "pack" is not JSON: Expecting value: line 2 column 8',
    ),
    "content that is no pack": (
        {},
        world.found(objects.provider(), objects.pack(), config_maps=maps('{"id": 1}')),
        ("PromptPackReady", "PromptPackInvalid"),
        "id: expected",
    ),
    "a pack that names no entry": (
        {},
        world.found(objects.provider(), objects.pack(), config_maps=maps(TWO_PROMPTS)),
        ("PromptPackReady", "PromptPackInvalid"),
        'has no prompt "default"; it has: a, b',
    ),
    "no provider": (
        {},
        world.found(objects.pack()),
        ("ProviderReady", "ProviderNotFound"),
        (
            'there is no Provider "model" in namespace "default": create it, or correct'
            " spec.providers[0].providerRef"
        ),
    ),
    "a provider that does not grant itself": (
        SHARED,
        world.found(objects.pack(), elsewhere(objects.provider(), "team-a")),
        ("ProviderReady", "ProviderNotGranted"),
        (
            'Provider "model" of namespace "shared" may not be used from namespace "default": add'
            ' "default" to its spec.allowedNamespaces'
        ),
    ),
    "no Secret": (
        {},
        world.found(objects.pack(), objects.provider(OPENAI)),
        ("ProviderReady", "SecretNotFound"),
        (
            'Provider "model" reads its API key from Secret "keys" of namespace "default", which'
            " does not exist: create it with the key OPENAI_API_KEY or OPENAI_TOKEN or api-key"
        ),
    ),
    "a Secret without the key": (
        {},
        world.found(objects.pack(), objects.provider(OPENAI), secrets=secrets("b", "a")),
        ("ProviderReady", "SecretKeyMissing"),
        "which has no key OPENAI_API_KEY or OPENAI_TOKEN or api-key (keys: a, b): add one",
    ),
    "no mock responses": (
        {},
        world.found(
            objects.pack(), objects.provider({"mock": {"configMapRef": {"name": "m", "key": "k"}}})
        ),
        ("ProviderReady", "ProviderNotReady"),
        'reads its responses from key k of ConfigMap "m", which does not exist',
    ),
    "mock responses that are no YAML": (
        {},
        mocking("a: ["),
        ("ProviderReady", "ProviderNotReady"),
        'key mock-responses.yaml of ConfigMap "mock": line 2: this is neither JSON nor YAML',
    ),
    "mock responses that multiply": (
        {},
        mocking(MULTIPLYING),
        ("ProviderReady", "ProviderNotReady"),
        "it has more than 500,000 values, counted again at each alias",
    ),
    "mock responses that are nested too deeply": (
        {},
        mocking("x: " + "[" * 9999),
        ("ProviderReady", "ProviderNotReady"),
        "it is nested deeper than 200 levels",
    ),
    "mock responses that are no object": (
        {},
        mocking("hello"),
        ("ProviderReady", "ProviderNotReady"),
        "expected an object with defaultResponse or scenarios",
    ),
    "no registry": (
        TOOLS,
        WHOLE,
        ("ToolRegistryReady", "ToolRegistryNotFound"),
        (
            'there is no ToolRegistry "tools" in namespace "default": create it, or correct'
            " spec.toolRegistryRef"
        ),
    ),
    "a registry that does not grant itself": (
        TOOLS_ELSEWHERE,
        world.found(objects.pack(), objects.provider(), elsewhere(objects.registry())),
        ("ToolRegistryReady", "ToolRegistryNotGranted"),
        'add "default" to its spec.allowedNamespaces',
    ),
}


@pytest.mark.parametrize(
    ("change", "there", "condition", "message"), PROBLEMS.values(), ids=PROBLEMS
)
def test_a_problem_names_the_condition_and_the_way_out(
    change: JsonObject, there: Found, condition: tuple[str, str], message: str
) -> None:
    ((*names, text),) = world.problems(objects.agent(change), there)

    assert tuple(names) == condition
    assert message in text


def test_all_problems_are_reported_at_once() -> None:
    found = world.problems(objects.agent(TOOLS), Found())

    assert [condition for condition, _, _ in found] == [
        "PromptPackReady",
        "ProviderReady",
        "ToolRegistryReady",
    ]
