"""What tools and providers take from Secrets and ConfigMaps, in a plan and in discovery."""

import pytest

from omnia_core.env import SecretKeyRef
from omnia_core.files.config_text import ConfigText
from omnia_core.files.pack import parse_pack
from omnia_core.files.providers import ProvidersFile
from omnia_core.files.reading import decode_yaml
from omnia_core.files.tools import SecretFile, ToolsFile
from omnia_core.jsonvalue import JsonObject
from omnia_operator import api
from omnia_operator.cluster.kinds import AGENT_RUNTIME, CONFIG_MAP, SECRET, TOOL_REGISTRY
from omnia_operator.plan import AgentPlan, SecretCopy, Settings, plan
from omnia_operator.references import ObjectReference, references_of
from omnia_operator.resolve import Resolved, SecretSource, resolve
from tests.operator import objects, world
from tests.operator.cluster import FakeCluster

PEM = "-----BEGIN CERTIFICATE-----\n"
AUTHORITY: JsonObject = {"caConfigMapRef": {"name": "ca"}}
MCP: JsonObject = {
    "name": "crm",
    "type": "mcp",
    "tls": AUTHORITY,
    "mcpConfig": {
        "transport": "streamable-http",
        "endpoint": "https://crm.example.com/mcp",
        "headers": {"X-Region": "eu"},
        "headersFrom": [{"name": "X-Api-Key", "secretRef": {"name": "crm", "key": "key"}}],
    },
}
PROGRAM: JsonObject = {
    "name": "docs",
    "type": "mcp",
    "mcpConfig": {
        "transport": "stdio",
        "command": "docs",
        "envFrom": [{"name": "DOCS_TOKEN", "secretRef": {"name": "docs", "key": "token"}}],
    },
}
OPENAPI: JsonObject = {
    "name": "shop",
    "type": "openapi",
    "openAPIConfig": {"specConfigMapRef": {"name": "api", "key": "openapi.json"}},
}


def planned(namespace: str = "default", **config_maps: dict[str, str]) -> AgentPlan:
    registry = objects.merge(
        objects.registry(MCP, PROGRAM, OPENAPI, allowedNamespaces=["default"]),
        {"metadata": {"namespace": namespace}},
    )
    provider = objects.provider(
        {"type": "openai", "model": "m", "baseURL": "https://a", "tls": AUTHORITY}
    )
    found = world.found(objects.pack(), provider, registry)
    found.config_maps |= {("default", "ca"): {"ca.crt": PEM}}
    found.config_maps |= {(namespace, name): data for name, data in config_maps.items()}
    reference = {"name": "tools", "namespace": namespace}
    agent = objects.agent({"toolRegistryRef": reference})
    return plan(world.resolved(agent, found), Settings())


def tools_of(made: AgentPlan) -> ToolsFile:
    (data,) = [each.data for each in made.config_maps if each.name == "omnia-helper-tools"]
    return decode_yaml(data["tools.yaml"], ToolsFile, "it")


def test_headers_and_variables_from_secrets_are_mounted_files() -> None:
    made = planned(ca={"ca.crt": PEM}, api={"openapi.json": "{}"})
    crm, docs, _ = tools_of(made).handlers
    assert crm.mcp_config is not None
    assert docs.mcp_config is not None
    assert crm.mcp_config.headers == {"X-Region": "eu"}
    origin = ' for the handler "{}" of the ToolRegistry "tools"'
    assert crm.mcp_config.headers_from == (
        SecretFile(
            "X-Api-Key",
            "/etc/omnia/tool-secrets/crm.header.0",
            'the key "key" of the Secret "crm"' + origin.format("crm"),
        ),
    )
    assert docs.mcp_config.env_from == (
        SecretFile(
            "DOCS_TOKEN",
            "/etc/omnia/tool-secrets/docs.env.0",
            'the key "token" of the Secret "docs"' + origin.format("docs"),
        ),
    )
    (volume,) = [each for each in made.volumes if each["name"] == "omnia-tool-secrets"]
    assert [each["secret"]["items"][0] for each in volume["projected"]["sources"]] == [
        {"key": "key", "path": "crm.header.0"},
        {"key": "token", "path": "docs.env.0"},
    ]
    assert made.secret_copies == ()


def test_the_secrets_of_a_registry_elsewhere_are_copied_each_under_its_own_key() -> None:
    made = planned("shared")
    assert made.secret_copies == tuple(
        SecretCopy(
            SecretSource("shared", secret, key),
            SecretKeyRef("omnia-helper-provider-keys", f"tool.{file}"),
            optional=True,
        )
        for secret, key, file in (("crm", "key", "crm.header.0"), ("docs", "token", "docs.env.0"))
    )


def test_documents_and_authorities_of_config_maps_are_in_the_files() -> None:
    made = planned("shared", ca={"ca.crt": PEM}, api={"openapi.json": "{}"})
    crm, _, shop = tools_of(made).handlers
    assert crm.authority == ConfigText(PEM, 'the key "ca.crt" of the ConfigMap "ca"')
    assert shop.openapi_config is not None
    assert shop.openapi_config.document == ConfigText(
        "{}", 'the key "openapi.json" of the ConfigMap "api"'
    )
    (data,) = [each.data for each in made.config_maps if each.name == "omnia-helper-providers"]
    (provider,) = decode_yaml(data["providers.yaml"], ProvidersFile, "it").providers
    assert provider.authority == crm.authority


def test_a_config_map_that_is_missing_costs_only_its_server() -> None:
    crm, docs, shop = tools_of(planned("shared")).handlers
    assert (crm.authority, docs.authority) == (
        ConfigText("", 'the key "ca.crt" of the ConfigMap "ca"'),
        None,
    )
    assert shop.openapi_config is not None
    assert shop.openapi_config.document is not None
    assert shop.openapi_config.document.text == ""


def test_everything_that_a_registry_names_is_a_reference() -> None:
    named = set(references_of(TOOL_REGISTRY, objects.registry(MCP, PROGRAM, OPENAPI)))
    assert named == {
        ObjectReference(SECRET, ("default", "crm")),
        ObjectReference(SECRET, ("default", "docs")),
        ObjectReference(CONFIG_MAP, ("default", "ca")),
        ObjectReference(CONFIG_MAP, ("default", "api")),
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"mcpConfig": {"transport": "stdio", "command": "x"}},
            "a program over stdio gets no headers",
        ),
        ({"type": "grpc", "grpcConfig": {"endpoint": "a:1"}}, "the block tls belongs to"),
    ],
)
def test_values_that_would_have_no_effect_are_refused(change: JsonObject, message: str) -> None:
    registry = objects.registry(objects.merge(MCP, change))
    assert any(message in finding.message for finding in api.findings(registry))


def test_the_policy_of_an_inline_prompt_is_that_of_a_pack() -> None:
    agent = objects.document(
        "AgentRuntime",
        "helper",
        {
            "prompt": {"system": "Help.", "toolPolicy": {"maxRounds": 8}},
            "provider": {"type": "mock"},
        },
    )
    made = world.resolved(agent, world.found())
    assert made.pack is not None
    policy = parse_pack(made.pack.stable.text, "it").prompt("default").tool_policy
    assert policy is not None
    assert (policy.max_rounds, policy.max_tool_calls_per_turn) == (8, 10)


def test_a_custom_framework_needs_neither_prompt_nor_provider() -> None:
    agent = objects.document(
        "AgentRuntime", "helper", {"framework": {"type": "custom", "image": "graph:1"}}
    )
    outcome = resolve(world.agent(agent), world.found())
    assert isinstance(outcome, Resolved)
    made = plan(outcome, Settings())
    assert made.runtime is not None
    assert made.runtime.image == "graph:1"
    assert not [each for each in made.config_maps if each.name == "omnia-helper-pack"]


async def test_a_custom_framework_says_that_nothing_is_needed() -> None:
    spec = {"framework": {"type": "custom", "image": "graph:1"}}
    cluster = FakeCluster(objects.document("AgentRuntime", "helper", spec))
    await cluster.settle()
    cluster.run_pods()
    await cluster.settle()
    (agent,) = await cluster.find(AGENT_RUNTIME, "default")
    reasons = {each["type"]: each["reason"] for each in agent["status"]["conditions"]}
    assert (reasons["PromptPackReady"], reasons["ProviderReady"]) == ("NotNeeded", "NotNeeded")
    assert reasons["Ready"] == "RuntimeReady"


def test_every_namespace_may_be_let_in() -> None:
    rules = {"externalAuth": {"management": {"namespaces": ["*"]}}}
    assert list(api.findings(objects.agent(rules))) == []
    wrong = {"externalAuth": {"management": {"namespaces": ["a*"]}}}
    assert list(api.findings(objects.agent(wrong)))
