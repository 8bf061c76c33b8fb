"""Parts of a plan that one setting alone decides."""

from typing import Any

import pytest

from omnia_core.files.auth import AuthFile, ClientKeyAuth, EdgeTrust, ManagementAuth, OidcAuth, Role
from omnia_core.files.providers import OpenAISettings, Pricing, ProviderDefaults, ProvidersFile
from omnia_core.files.reading import decode_json, decode_yaml
from omnia_core.files.tools import ClientConfig, ToolsFile
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.framework import FrameworkType
from omnia_operator.plan import MountPlan, Settings, plan
from omnia_operator.plan.desired import config_hash, files_hash
from omnia_operator.plan.workload import HpaPlan, KedaPlan, PodPlan, ready_path
from omnia_operator.resolve import IssuerKeys, SecretSource
from tests.operator import objects, world
from tests.operator.test_plan import SETTINGS, content, planned


def provider(change: JsonObject) -> Any:
    there = world.found(objects.pack(), objects.provider({"model": "m"} | change))
    text = content(planned(there=there), "providers")["providers.yaml"]
    (found,) = decode_yaml(text, ProvidersFile, "it").providers
    return found


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (None, OpenAISettings()),
        ({"api": "responses"}, OpenAISettings("responses")),
        ({"reasoningEffort": "low"}, OpenAISettings(None, "low")),
        ({"parallelToolCalls": False}, OpenAISettings(parallel_tool_calls=False)),
        ({"thinkTags": False}, OpenAISettings(think_tags=False)),
    ],
)
def test_each_setting_of_openai_stands_alone(
    settings: JsonObject | None, expected: OpenAISettings
) -> None:
    change = {"openai": settings} if settings else {}
    assert provider({"type": "vllm", **change}).openai == expected


def test_the_settings_of_a_provider_reach_the_runtime() -> None:
    defaults = {
        "temperature": 0.5,
        "topP": 0.25,
        "maxTokens": 9,
        "requestTimeout": "7s",
        "streamIdleTimeout": "8s",
        "streamTimeout": "9s",
        "contextWindow": 1000,
        "truncationStrategy": "summarize",
    }
    prices = {"inputCostPer1K": 0.1, "outputCostPer1K": 0.2, "cachedCostPer1K": 0.3}
    change = {"type": "vllm", "baseURL": "http://m/v1", "headers": {"X-A": "b"}}
    found = provider(change | {"defaults": defaults, "pricing": prices})
    assert (found.name, found.type, found.model) == ("default", "vllm", "m")
    assert (found.base_url, found.headers) == ("http://m/v1", {"X-A": "b"})
    assert found.defaults == ProviderDefaults(
        temperature=0.5,
        top_p=0.25,
        max_tokens=9,
        request_timeout="7s",
        stream_idle_timeout="8s",
        stream_timeout="9s",
        context_window=1000,
        truncation_strategy="summarize",
    )
    assert found.pricing == Pricing(
        input_cost_per_1k=0.1, output_cost_per_1k=0.2, cached_cost_per_1k=0.3
    )


def test_consent_and_categories_of_a_client_tool_reach_the_runtime() -> None:
    def client(config: JsonObject | None) -> ClientConfig | None:
        place = {"name": "place", "type": "client", "httpConfig": None, "clientConfig": config}
        registry = objects.registry(objects.handler(place | {"tool": {"name": "place"}}))
        there = world.found(objects.pack(), objects.provider(), registry)
        made = planned(objects.agent({"toolRegistryRef": {"name": "tools"}}), there)
        (found,) = decode_yaml(content(made, "tools")["tools.yaml"], ToolsFile, "it").handlers
        return found.client_config

    asking = {"consentMessage": "May I?", "categories": ["place", "privacy"]}
    assert client(asking) == ClientConfig("May I?", ["place", "privacy"])
    assert client({"categories": ["place"]}) == ClientConfig("", ["place"])


# Pods


def pods(runtime: JsonObject, settings: Settings = SETTINGS) -> PodPlan:
    return planned(objects.agent({"runtime": runtime}), settings=settings).pods


@pytest.mark.parametrize(
    ("runtime", "several", "replicas"),
    [
        ({}, False, 1),
        ({"replicas": 0}, False, 0),
        ({"replicas": 2}, True, 2),
        ({"replicas": 5, "autoscaling": {"enabled": False}}, True, 5),
        ({"replicas": 5, "autoscaling": {"enabled": True}}, False, None),
        ({"autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 3}}, True, None),
        ({"autoscaling": {"enabled": True, "type": "keda", "minReplicas": 0}}, False, None),
        (
            {
                "autoscaling": {
                    "enabled": True,
                    "type": "keda",
                    "minReplicas": 2,
                    "maxReplicas": 3,
                }
            },
            True,
            None,
        ),
    ],
)
def test_several_pods_are_those_that_are_always_there(
    runtime: JsonObject, several: bool, replicas: int | None
) -> None:
    made = pods(runtime)
    assert (made.several, made.replicas) == (several, replicas)


def test_an_autoscaler_has_the_numbers_of_the_manifest() -> None:
    scaling = {
        "enabled": True,
        "minReplicas": 2,
        "maxReplicas": 7,
        "targetCPUUtilizationPercentage": 51,
        "targetMemoryUtilizationPercentage": 52,
        "scaleDownStabilizationSeconds": 53,
    }
    made = pods({"autoscaling": scaling})
    assert (made.hpa, made.keda) == (HpaPlan(2, 7, 51, 52, 53), None)


def test_keda_counts_connections_unless_the_manifest_has_triggers() -> None:
    scaling: JsonObject = {"enabled": True, "type": "keda", "minReplicas": 1, "maxReplicas": 7}
    settings = Settings(prometheus_address="http://prometheus")
    connections = {
        "type": "prometheus",
        "metadata": {
            "serverAddress": "http://prometheus",
            "query": 'sum(omnia_agent_connections_active{agent="helper",namespace="default"})'
            " or vector(0)",
            "threshold": "10",
        },
    }
    made = pods({"autoscaling": scaling}, settings)
    assert made.hpa is None
    assert made.keda is not None
    assert made.keda.triggers == (connections,)
    own = {"type": "cron", "metadata": {"timezone": "UTC"}}
    keda = {"pollingInterval": 11, "cooldownPeriod": 12, "triggers": [own]}
    assert pods({"autoscaling": scaling | {"keda": keda}}).keda == KedaPlan(1, 7, 11, 12, (own,))


@pytest.mark.parametrize(
    ("runtime", "spread"),
    [
        ({}, 2),
        ({"replicas": 2}, 2),
        ({"replicas": 2, "affinity": {"nodeAffinity": {}}}, 0),
        ({"autoscaling": {"enabled": True, "maxReplicas": 2}}, 2),
    ],
)
def test_pods_are_spread_unless_the_manifest_places_them(runtime: JsonObject, spread: int) -> None:
    topology = pods(runtime).topology
    assert len(topology) == spread
    for each in topology:
        assert (each["maxSkew"], each["whenUnsatisfiable"]) == (1, "ScheduleAnyway")
    keys = [each["topologyKey"] for each in topology]
    assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"][:spread]


def test_pods_have_the_nodes_of_the_manifest_and_the_secrets_of_the_chart() -> None:
    tolerations = [{"key": "gpu", "operator": "Exists"}]
    runtime = {"nodeSelector": {"disk": "ssd"}, "tolerations": tolerations}
    made = pods(runtime, Settings(image_pull_secrets=("a", "b")))
    assert made.node_selector == {"disk": "ssd"}
    assert list(made.tolerations) == tolerations
    assert made.pull_secrets == ({"name": "a"}, {"name": "b"})
    plain = pods({})
    assert (plain.node_selector, plain.tolerations, plain.affinity) == (None, (), None)


def test_a_pod_has_time_to_drain_and_some_more() -> None:
    made = planned()
    drains = [each.env.drain_timeout.seconds for each in made.containers]
    assert made.pods.grace_seconds == max(drains) + 15


def test_a_custom_runtime_has_no_readiness_of_its_own() -> None:
    paths = {each: ready_path(each) for each in FrameworkType}
    assert paths.pop(FrameworkType.CUSTOM) == "/healthz"
    assert set(paths.values()) == {"/readyz"}


# Containers


def test_containers_have_the_images_and_settings_of_the_chart() -> None:
    settings = Settings(
        facade_image="f:1",
        runtime_image="r:1",
        facade_pull_policy="Never",
        runtime_pull_policy="Always",
        allow_unauthenticated=True,
        tracing={"OTEL_A": "1", "OTEL_B": "2"},
    )
    own = [{"name": "OTEL_B", "value": "mine"}]
    change = {"facade": {"extraEnv": own}, "runtime": {"extraEnv": own}}
    made = planned(objects.agent(change), settings=settings)
    assert made.runtime is not None
    assert (made.facade.image, made.runtime.image) == ("f:1", "r:1")
    assert (made.facade.pull_policy, made.runtime.pull_policy) == ("Never", "Always")
    assert made.facade.env.allow_unauthenticated is True
    for container in (made.facade, made.runtime):
        assert container.extra_env == (
            {"name": "OTEL_A", "value": "1"},
            {"name": "OTEL_B", "value": "mine"},
        )
        names = [each["name"] for each in container.variables]
        assert len(names) == len(set(names))
    assert planned().facade.env.allow_unauthenticated is False


def test_resources_of_the_manifest_replace_the_usual_ones() -> None:
    usual = planned()
    assert usual.runtime is not None
    assert usual.facade.resources == {
        "requests": {"cpu": "25m", "memory": "64Mi"},
        "limits": {"memory": "256Mi"},
    }
    assert usual.runtime.resources == {
        "requests": {"cpu": "50m", "memory": "96Mi"},
        "limits": {"memory": "512Mi"},
    }
    own = {"limits": {"cpu": "1"}}
    change = {"facade": {"resources": own, "image": "own:1"}, "runtime": {"resources": own}}
    made = planned(objects.agent(change))
    assert made.runtime is not None
    assert (made.facade.resources, made.runtime.resources) == (own, own)
    assert made.facade.image == "own:1"


def test_probes_allow_a_slow_start_and_end_a_stuck_program() -> None:
    made = planned()
    assert made.runtime is not None
    for container, name in ((made.facade, "facade"), (made.runtime, "runtime")):
        probes = container.probes
        for probe, path, period, failures in (
            (probes.startup, "/healthz", 1, 120),
            (probes.readiness, "/readyz", 3, 2),
            (probes.liveness, "/healthz", 10, 3),
        ):
            assert probe == {
                "httpGet": {"path": path, "port": f"{name}-health"},
                "periodSeconds": period,
                "timeoutSeconds": 6,
                "failureThreshold": failures,
            }


def test_a_mount_is_read_only_unless_it_says_otherwise() -> None:
    assert MountPlan("v", "/p").render() == {"name": "v", "mountPath": "/p", "readOnly": True}
    assert MountPlan("v", "/p", read_only=False, sub_path="s").render() == {
        "name": "v",
        "mountPath": "/p",
        "subPath": "s",
    }
    volumes = [{"name": "v", "emptyDir": {}}]
    mounts = [{"name": "v", "mountPath": "/p"}, {"name": "v", "mountPath": "/q", "readOnly": True}]
    made = planned(objects.agent({"runtime": {"volumes": volumes, "volumeMounts": mounts}}))
    assert made.runtime is not None
    assert made.runtime.mounts[-2:] == (
        MountPlan("v", "/p", read_only=False),
        MountPlan("v", "/q"),
    )
    assert made.volumes[-1] == {"name": "v", "emptyDir": {}}


# Credentials


def auth(rules: JsonObject) -> AuthFile:
    there = world.found(objects.pack(), objects.provider())
    there.cluster_issuer = IssuerKeys("https://cluster.example", ({"kid": "c"},))
    there.oidc = IssuerKeys("https://i.example", ({"kid": "o"},))
    made = planned(objects.agent({"externalAuth": rules}), there)
    return decode_json(content(made, "auth")["auth.json"], AuthFile, "it")


def test_the_rules_about_credentials_reach_the_facade() -> None:
    mapping = {"subject": "X-User", "endUser": "X-End", "email": "X-Mail", "role": "X-Role"}
    found = auth(
        {
            "management": {"namespaces": ["ops", "default", "ops"]},
            "clientKeys": {"trustEndUserHeader": True, "defaultRole": "editor"},
            "oidc": {"issuer": "https://i.example", "audience": "a"},
            "edgeTrust": {"headerMapping": mapping, "claimsFromHeaders": {"team": "X-Team"}},
            "userIdKeyRef": {"name": "ids", "key": "k"},
        }
    )
    assert found.management == ManagementAuth(
        "https://cluster.example",
        "omnia://default/helper",
        ("default", "ops"),
        ({"kid": "c"},),
    )
    assert found.client_keys == ClientKeyAuth(True, Role.EDITOR)
    assert isinstance(found.oidc, OidcAuth)
    assert (found.oidc.issuer, found.oidc.audience) == ("https://i.example", "a")
    assert found.oidc.keys == ({"kid": "o"},)
    assert found.edge_trust == EdgeTrust("x-user", "x-end", "x-mail", "x-role", {"team": "x-team"})
    assert found.keyed_user_ids is True


def test_the_keys_of_credentials_are_copied_and_optional() -> None:
    there = world.found(
        objects.pack(),
        objects.provider(),
        secrets={("default", "mine"): ["keyHash", "scopes"], ("default", "ids"): ["k"]},
    )
    there.client_keys = {("default", "mine"): frozenset()}
    rules = {"clientKeys": {}, "userIdKeyRef": {"name": "ids", "key": "k"}}
    copies = planned(objects.agent({"externalAuth": rules}), there).secret_copies
    assert {(each.source.name, each.source.key) for each in copies} >= {("ids", "k")}
    assert {each.target.name for each in copies} == {"omnia-helper-auth"}
    assert all(each.optional for each in copies)
    mine = [each for each in copies if each.source.name == "mine"]
    assert mine
    assert {each.target.key for each in mine} == {f"mine.{each.source.key}" for each in mine}


def test_what_the_manifest_does_not_accept_is_not_in_the_rules() -> None:
    found = auth({"management": {"enabled": False}})
    assert (found.management, found.client_keys, found.oidc, found.edge_trust) == (None,) * 4
    assert found.keyed_user_ids is False


# Hashes


def test_new_pods_follow_from_what_is_read_at_the_start() -> None:
    secret = {"type": "openai", "model": "m", "secretRef": {"name": "keys"}}
    there = world.found(
        objects.pack(), objects.provider(secret), secrets={("default", "keys"): ["api-key"]}
    )
    resolved = world.resolved(objects.agent(), there)
    made = plan(resolved, SETTINGS)
    source = SecretSource("default", "keys", "api-key")
    hashes = [
        config_hash(made, {}),
        config_hash(made, {source: "1"}),
        config_hash(plan(resolved, Settings()), {}),
        config_hash(plan(resolved, Settings(tracing={"A": "b"})), {}),
    ]
    assert len(set(hashes)) == len(hashes)
    assert config_hash(plan(resolved, SETTINGS), {source: "1"}) == hashes[1]
    assert {len(each) for each in hashes} == {16}


def test_the_hash_of_files_has_those_of_copied_secrets() -> None:
    shared = objects.provider(
        {
            "type": "openai",
            "model": "m",
            "secretRef": {"name": "keys"},
            "allowedNamespaces": ["default"],
        }
    )
    shared["metadata"]["namespace"] = "shared"
    there = world.found(objects.pack(), shared, secrets={("shared", "keys"): ["api-key"]})
    reference = {"name": "default", "providerRef": {"name": "model", "namespace": "shared"}}
    resolved = world.resolved(objects.agent({"providers": [reference]}), there)
    made = plan(resolved, SETTINGS)
    source = SecretSource("shared", "keys", "api-key")
    first = files_hash(made, {source: "1"})
    assert first != files_hash(made, {source: "2"})
    assert first == files_hash(plan(resolved, Settings()), {source: "1"})
    assert made.secret_copies[0].source == source
    assert made.credentials == (source,)


def test_names_of_sessions_are_asked_for_where_they_are_enabled() -> None:
    naming = {"everyTurns": 7, "maxWords": 3, "maxLength": 30, "provider": "default"}

    def variables(given: JsonObject | None) -> dict[str, str | None]:
        made = planned(objects.agent({"session": {"naming": given}}))
        assert made.runtime
        rendered = made.runtime.env.render()
        return {each.name: each.value for each in rendered if "NAMING" in each.name}

    assert variables(None) == variables(naming) == {}
    assert variables({"enabled": True}) == {"OMNIA_SESSION_NAMING": "true"}
    assert variables({"enabled": True, **naming}) == {
        "OMNIA_SESSION_NAMING": "true",
        "OMNIA_SESSION_NAMING_EVERY_TURNS": "7",
        "OMNIA_SESSION_NAMING_MAX_WORDS": "3",
        "OMNIA_SESSION_NAMING_MAX_LENGTH": "30",
        "OMNIA_SESSION_NAMING_PROVIDER": "default",
    }


@pytest.mark.parametrize(("given", "variable"), [(None, None), (True, "true"), (False, "false")])
def test_variables_are_kept_where_the_session_says_so(
    *, given: bool | None, variable: str | None
) -> None:
    made = planned(objects.agent({"session": {"keepVariables": given}}))
    assert made.runtime
    rendered = {each.name: each.value for each in made.runtime.env.render()}
    assert rendered.get("OMNIA_SESSION_KEEP_VARIABLES") == variable


def test_a_budget_reaches_the_runtime() -> None:
    def variables(given: JsonObject | None) -> dict[str, str | None]:
        made = planned(objects.agent({"budget": given} if given else {}))
        assert made.runtime
        rendered = made.runtime.env.render()
        return {each.name: each.value for each in rendered if "BUDGET" in each.name}

    assert variables(None) == {}
    assert variables({"usdPerDay": 2.5}) == {"OMNIA_BUDGET_USD_PER_DAY": "2.5"}
    assert variables({"usdPerMonth": 30, "onExceeded": "warn"}) == {
        "OMNIA_BUDGET_USD_PER_MONTH": "30.0",
        "OMNIA_BUDGET_ON_EXCEEDED": "warn",
    }
