"""A plan is the entire desired state of an agent."""

import json

import pytest
import yaml

from omnia_core.env import OperatorEnv, SecretKeyRef, SessionType
from omnia_core.files.function import FunctionFile
from omnia_core.files.providers import OpenAISettings, ProvidersFile
from omnia_core.files.reading import decode_json, decode_yaml
from omnia_core.files.tools import HTTPConfig, HTTPRetryPolicy, OpenAPIConfig, ToolAuth, ToolsFile
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Handler, Mode
from omnia_core.units import Duration
from omnia_operator.plan import AgentPlan, MountPlan, SecretCopy, Settings, plan
from omnia_operator.plan.rollout import ROLLOUT_MOUNT, rollout_volume
from omnia_operator.resolve import Found, SecretSource
from omnia_operator.settings import settings_of
from tests.operator import objects, world

SETTINGS = Settings(facade_image="registry:5000/facade:1", runtime_image="registry:5000/runtime:1")
OPENAI: JsonObject = {"type": "openai", "model": "gpt", "secretRef": {"name": "keys"}}

# Every facade has the rules about credentials, and room for the keys that go with them.
AUTH_MOUNTS = (
    MountPlan("omnia-auth", "/etc/omnia/auth"),
    MountPlan("omnia-auth-secrets", "/etc/omnia/auth-secrets"),
)
AUTH_VOLUMES: tuple[JsonObject, ...] = (
    {"name": "omnia-auth", "configMap": {"name": "omnia-helper-auth"}},
    {"name": "omnia-auth-secrets", "secret": {"secretName": "omnia-helper-auth", "optional": True}},
)


def planned(
    document: JsonObject | None = None, there: Found | None = None, settings: Settings = SETTINGS
) -> AgentPlan:
    found = there or world.found(objects.pack(), objects.provider())
    return plan(world.resolved(document or objects.agent(), found), settings)


def content(made: AgentPlan, name: str) -> dict[str, str]:
    (data,) = [each.data for each in made.config_maps if each.name == f"omnia-helper-{name}"]
    return dict(data)


def test_an_agent_is_a_facade_and_a_runtime_with_their_files() -> None:
    made = planned()

    assert (made.namespace, made.name, made.mode, made.port) == (
        "default",
        "helper",
        Mode.AGENT,
        8080,
    )
    assert made.runtime is not None
    assert [made.facade.module, made.runtime.module] == ["omnia_facade", "omnia_runtime"]
    assert [made.facade.image, made.runtime.image] == [
        "registry:5000/facade:1",
        "registry:5000/runtime:1",
    ]
    assert made.facade.mounts == (*AUTH_MOUNTS, ROLLOUT_MOUNT)
    assert made.runtime.mounts == (
        MountPlan("omnia-pack", "/etc/omnia/pack"),
        MountPlan("omnia-tools", "/etc/omnia/tools"),
        MountPlan("omnia-providers", "/etc/omnia/providers"),
    )
    assert made.volumes == (
        {"name": "omnia-pack", "configMap": {"name": "omnia-helper-pack"}},
        {"name": "omnia-tools", "configMap": {"name": "omnia-helper-tools"}},
        {"name": "omnia-providers", "configMap": {"name": "omnia-helper-providers"}},
        *AUTH_VOLUMES,
        rollout_volume("helper"),
    )
    assert content(made, "pack") == {
        "1.0.0.json": world.PACK_TEXT,
        "placement.json": '{"stable":"1.0.0"}',
    }
    assert content(made, "tools") == {"tools.yaml": "handlers: []\n"}


@pytest.mark.parametrize("by", ["nobody", "the manifest", "the chart"])
def test_the_page_for_people_is_off_unless_manifest_or_chart_asks_for_it(by: str) -> None:
    facade = {"console": True} if by == "the manifest" else {}
    chart = settings_of(
        OperatorEnv(facade_image="f:1", runtime_image="r:1", console=by == "the chart")
    )
    made = planned(objects.agent({"facade": facade}), settings=chart)
    asked = {each.name: each.value for each in made.facade.env.render()}.get("OMNIA_CONSOLE")
    assert asked == (None if by == "nobody" else "true")


@pytest.mark.parametrize("shows", ["chat", "inside"])
def test_the_page_shows_the_inside_only_where_the_manifest_says_so(shows: str) -> None:
    made = planned(objects.agent({"facade": {"console": True, "consoleShows": shows}}))
    assert made.facade.env.console_inside is (shows == "inside")


def test_the_environment_says_what_the_manifest_says() -> None:
    made = planned(
        objects.agent(
            {
                "facade": {"port": 8090, "showTools": False},
                "session": {"ttl": "1h"},
                "media": {"basePath": "/media"},
            }
        ),
        settings=Settings(allow_unauthenticated=True),
    )

    assert {each.name: each.value for each in made.facade.env.render()} == {
        "OMNIA_AGENT_NAME": "helper",
        "OMNIA_FACADE_PORT": "8090",
        "OMNIA_SHOW_TOOLS": "false",
        "OMNIA_FACADE_ALLOW_UNAUTHENTICATED": "true",
    }
    assert made.runtime is not None
    assert {each.name: each.value for each in made.runtime.env.render()} == {
        "OMNIA_AGENT_NAME": "helper",
        "OMNIA_SESSION_TTL": "1h",
        "OMNIA_MEDIA_BASE_PATH": "/media",
    }


MEDIA = {
    "enabled": True,
    "storagePath": "/files",
    "publicURL": "https://a.example",
    "maxFileSize": "1Mi",
    "defaultTTL": "90m",
}


def test_both_containers_mount_one_volume_for_uploads_and_only_the_facade_writes() -> None:
    made = planned(objects.agent({"facade": {"media": MEDIA}}))

    assert made.runtime is not None
    assert {"name": "omnia-media", "emptyDir": {"sizeLimit": "4Gi"}} in made.volumes
    assert made.facade.mounts[-1] == MountPlan("omnia-media", "/files", read_only=False)
    assert made.runtime.mounts[-1] == MountPlan("omnia-media", "/files", read_only=True)
    both = {
        "OMNIA_MEDIA_STORAGE_TYPE": "local",
        "OMNIA_MEDIA_STORAGE_PATH": "/files",
        "OMNIA_MEDIA_MAX_FILE_SIZE": "1048576",
    }
    told = {each.name: each.value for each in made.facade.env.render()}
    assert both.items() <= told.items()
    assert told["OMNIA_MEDIA_PUBLIC_URL"] == "https://a.example"
    assert told["OMNIA_MEDIA_DEFAULT_TTL"] == "1h30m"
    assert told["OMNIA_MEDIA_MAX_VOLUME_SIZE"] == "4Gi"
    assert both.items() <= {each.name: each.value for each in made.runtime.env.render()}.items()


def test_the_volume_and_the_facade_have_one_limit_for_all_uploads() -> None:
    made = planned(objects.agent({"facade": {"media": MEDIA | {"maxVolumeSize": "500M"}}}))
    assert {"name": "omnia-media", "emptyDir": {"sizeLimit": "500000000"}} in made.volumes
    told = {each.name: each.value for each in made.facade.env.render()}
    assert told["OMNIA_MEDIA_MAX_VOLUME_SIZE"] == "500000000"


@pytest.mark.parametrize(("limit", "rendered"), [({}, None), ({"maxVolumeSize": "1Ti"}, "1Ti")])
def test_uploads_on_a_claim_may_take_all_of_it_unless_there_is_a_limit(
    limit: dict[str, object], rendered: str | None
) -> None:
    claim = {"persistentVolumeClaim": {"claimName": "files"}}
    made = planned(objects.agent({"facade": {"media": MEDIA | claim | limit}}))
    assert {"name": "omnia-media", **claim} in made.volumes
    told = {each.name: each.value for each in made.facade.env.render()}
    assert told.get("OMNIA_MEDIA_MAX_VOLUME_SIZE") == rendered


def test_uploads_lie_on_the_claim_that_the_manifest_names() -> None:
    claim = {"persistentVolumeClaim": {"claimName": "files"}}
    made = planned(objects.agent({"facade": {"handler": "echo", "media": MEDIA | claim}}), Found())
    assert {"name": "omnia-media", **claim} in made.volumes


def test_sessions_in_a_file_have_a_folder_of_their_agent_on_the_claim() -> None:
    claim = {"persistentVolumeClaim": {"claimName": "files"}}
    made = planned(objects.agent({"session": {"type": "sqlite"} | claim}))
    assert {"name": "omnia-sessions", **claim} in made.volumes
    assert made.runtime
    for container in (made.facade, made.runtime):
        (mount,) = [each for each in container.mounts if each.volume == "omnia-sessions"]
        assert mount.render() == {"name": "omnia-sessions", "mountPath": "/var/omnia/sessions"}
        told = {each.name: each.value for each in container.env.render()}
        assert told["OMNIA_SESSION_TYPE"] == "sqlite"
        assert told["OMNIA_SESSION_PATH"] == f"/var/omnia/sessions/{made.name}/sessions.db"
    assert made.pods.replaced_at_once


@pytest.mark.parametrize(
    "change", [{}, {"session": {"type": "redis", "storeRef": {"name": "store"}}}]
)
def test_other_sessions_need_no_volume_and_roll(change: dict[str, object]) -> None:
    secrets = {("default", "store"): ["url"]}
    there = world.found(objects.pack(), objects.provider(), secrets=secrets)
    made = planned(objects.agent(change), there)
    assert "omnia-sessions" not in {volume["name"] for volume in made.volumes}
    assert not made.pods.replaced_at_once


@pytest.mark.parametrize("media", [{}, {"enabled": False, "publicURL": "https://a.example"}])
def test_without_uploads_there_is_no_volume_for_them(media: dict[str, object]) -> None:
    made = planned(objects.agent({"facade": {"media": media}}))
    assert "omnia-media" not in {each["name"] for each in made.volumes}
    assert "media" not in " ".join(each.name for each in made.facade.env.render()).lower()


@pytest.mark.parametrize("handler", ["echo", "demo"])
def test_a_facade_that_answers_by_itself_is_alone(handler: str) -> None:
    made = planned(objects.agent({"facade": {"handler": handler}}), Found())

    assert made.facade.env.handler_mode is Handler(handler)
    assert (made.runtime, made.volumes) == (None, AUTH_VOLUMES)
    assert [each.name for each in made.config_maps] == ["omnia-helper-auth"]


def test_a_function_gives_its_schemas_to_both_containers() -> None:
    made = planned(objects.function({"inputSchema": {"type": "string"}}))

    file = decode_json(content(made, "function")["function.json"], FunctionFile, "it")
    assert file == FunctionFile("helper", {"type": "string"}, {"type": "object"})
    mount = MountPlan("omnia-function", "/etc/omnia/function")
    assert made.facade.mounts == (mount, *AUTH_MOUNTS, ROLLOUT_MOUNT)
    assert made.runtime is not None
    assert made.runtime.mounts[-1] == mount
    assert made.facade.env.mode is made.runtime.env.mode is Mode.FUNCTION


def test_the_facade_keeps_replies_and_answers_without_an_end_where_the_sessions_are() -> None:
    session = {"session": {"type": "redis", "ttl": "2h", "storeRef": {"name": "store"}}}
    secrets = {("default", "store"): frozenset({"url"})}
    there = world.found(objects.pack(), objects.provider(), secrets=secrets)
    for document in (objects.function(session), objects.agent(session)):
        env = planned(document, there).facade.env
        assert env.session_type is SessionType.REDIS
        assert env.session_url == SecretKeyRef("store", "url")
        assert env.session_ttl == Duration.parse("2h")
    demo = {"facade": {"type": "websocket", "handler": "demo"}}
    for document in (objects.agent(session | demo), objects.agent({"session": {"ttl": "2h"}})):
        env = planned(document, there).facade.env
        assert (env.session_type, env.session_url) == (SessionType.MEMORY, None)
        assert "OMNIA_SESSION_TTL" not in {each.name for each in env.render()}


def test_a_key_is_a_reference_and_never_in_a_file() -> None:
    there = world.found(
        objects.pack(),
        objects.provider(
            OPENAI
            | {
                "baseURL": "https://proxy.example/v1",
                "headers": {"x-team": "a"},
                "defaults": {
                    "temperature": 0,
                    "requestTimeout": "90s",
                    "streamTimeout": "20m",
                    "contextWindow": 9,
                },
                "pricing": {"inputCostPer1K": 0.5},
            }
        ),
        secrets={("default", "keys"): frozenset({"api-key"})},
    )
    made = planned(there=there)

    assert made.runtime is not None
    assert made.runtime.env.provider_api_keys == {"default": SecretKeyRef("keys", "api-key")}
    assert made.secret_copies == ()
    assert yaml.safe_load(content(made, "providers")["providers.yaml"]) == {
        "providers": [
            {
                "name": "default",
                "type": "openai",
                "model": "gpt",
                "baseURL": "https://proxy.example/v1",
                "headers": {"x-team": "a"},
                "defaults": {
                    "temperature": 0.0,
                    "requestTimeout": "1m30s",
                    "streamTimeout": "20m",
                    "contextWindow": 9,
                },
                "pricing": {"inputCostPer1K": 0.5},
                "keyOrigin": 'the key "api-key" of the Secret "keys"',
            }
        ]
    }


def test_a_key_of_another_namespace_is_copied() -> None:
    reference = {"name": "model", "namespace": "shared"}
    document = objects.agent({"providers": [{"name": "judge", "providerRef": reference}]})
    foreign = objects.merge(
        objects.provider(OPENAI | {"allowedNamespaces": ["default"]}),
        {"metadata": {"namespace": "shared"}},
    )
    there = world.found(
        objects.pack(), foreign, secrets={("shared", "keys"): frozenset({"api-key"})}
    )
    made = planned(document, there)

    (copy,) = made.secret_copies
    assert copy.source == SecretSource("shared", "keys", "api-key")
    assert made.runtime is not None
    assert made.runtime.env.provider_api_keys == {"judge": copy.target}
    assert copy.target == SecretKeyRef("omnia-helper-provider-keys", "judge")


@pytest.mark.parametrize(
    ("kind", "url"),
    [("ollama", "http://localhost:11434/v1"), ("vllm", "http://localhost:8000/v1")],
)
def test_a_local_server_has_its_usual_address(kind: str, url: str) -> None:
    there = world.found(objects.pack(), objects.provider({"type": kind, "model": "m"}))
    text = content(planned(there=there), "providers")["providers.yaml"]

    (provider,) = decode_yaml(text, ProvidersFile, "it").providers
    assert provider.base_url == url


def test_what_only_openai_knows_reaches_the_runtime() -> None:
    settings = {
        "api": "responses",
        "reasoningEffort": "low",
        "parallelToolCalls": False,
        "thinkTags": False,
    }
    spec = {"type": "vllm", "model": "m", "openai": settings}
    there = world.found(objects.pack(), objects.provider(spec))
    text = content(planned(there=there), "providers")["providers.yaml"]

    (provider,) = decode_yaml(text, ProvidersFile, "it").providers
    assert provider.openai == OpenAISettings(
        "responses", "low", parallel_tool_calls=False, think_tags=False
    )


def test_mock_responses_lie_beside_the_providers() -> None:
    there = world.found(
        objects.pack(), objects.provider({"mock": {"responses": {"defaultResponse": "hi"}}})
    )
    data = content(planned(there=there), "providers")

    assert data["mock-default.yaml"] == "defaultResponse: hi\n"
    (provider,) = decode_yaml(data["providers.yaml"], ProvidersFile, "it").providers
    assert provider.mock_responses_path == "/etc/omnia/providers/mock-default.yaml"


def test_an_agent_may_bring_its_own_response_file() -> None:
    annotations = {"omnia.altairalabs.ai/mock-config-path": "/etc/omnia/mock/answers.yaml"}
    data = content(planned(objects.agent(None, annotations=annotations)), "providers")

    (provider,) = decode_yaml(data["providers.yaml"], ProvidersFile, "it").providers
    assert provider.mock_responses_path == "/etc/omnia/mock/answers.yaml"
    assert list(data) == ["providers.yaml"]


def test_tools_are_written_as_the_runtime_reads_them() -> None:
    lost: JsonObject = {"name": "lost", "httpConfig": None, "selector": {"matchLabels": {"a": "b"}}}
    client: JsonObject = {"name": "place", "type": "client", "httpConfig": None, "clientConfig": {}}
    registry = objects.registry(
        objects.handler({"httpConfig": {"method": "GET"}, "timeout": "5s"}),
        objects.handler(lost | {"tool": {"name": "lost"}}),
        objects.handler(client | {"tool": {"name": "place"}}),
    )
    there = world.found(objects.pack(), objects.provider(), registry)
    made = planned(objects.agent({"toolRegistryRef": {"name": "tools"}}), there)

    weather, place = decode_yaml(content(made, "tools")["tools.yaml"], ToolsFile, "it").handlers
    assert (weather.name, weather.type, weather.timeout) == ("weather", "http", "5s")
    assert weather.tool is not None
    assert weather.tool.description == "Says the weather."
    assert weather.http_config is not None
    assert weather.http_config.endpoint == "http://weather.tools/now"
    assert weather.http_config.method == "GET"
    assert (place.name, place.type) == ("place", "client")


BEARER: JsonObject = {"type": "bearer", "secretRef": {"name": "crm", "key": "token"}}


def with_registry(registry: JsonObject, reference: JsonObject | None = None) -> AgentPlan:
    there = world.found(objects.pack(), objects.provider(), registry)
    return planned(objects.agent({"toolRegistryRef": {"name": "tools"} | (reference or {})}), there)


def test_the_credentials_of_tools_are_files_that_only_the_runtime_sees() -> None:
    token: JsonObject = {"type": "serviceAccount", "serviceAccount": {"audience": "bank"}}
    made = with_registry(
        objects.registry(
            objects.handler({"auth": BEARER}),
            objects.handler({"name": "bank", "tool": {"name": "bank"}, "auth": token}),
            objects.handler({"name": "open", "tool": {"name": "open"}, "auth": {"type": "none"}}),
        )
    )

    mount = MountPlan("omnia-tool-secrets", "/etc/omnia/tool-secrets")
    assert made.runtime is not None
    assert mount in made.runtime.mounts
    assert mount not in made.facade.mounts
    assert made.volumes[-1] == {
        "name": "omnia-tool-secrets",
        "projected": {
            "sources": [
                {
                    "secret": {
                        "name": "crm",
                        "items": [{"key": "token", "path": "weather"}],
                        "optional": True,
                    }
                },
                {
                    "serviceAccountToken": {
                        "audience": "bank",
                        "expirationSeconds": 3600,
                        "path": "bank",
                    }
                },
            ]
        },
    }
    file = decode_yaml(content(made, "tools")["tools.yaml"], ToolsFile, "it")
    assert [each.auth for each in file.handlers] == [
        ToolAuth(
            "bearer",
            "/etc/omnia/tool-secrets/weather",
            'the key "token" of the Secret "crm" for the handler "weather" of the ToolRegistry'
            ' "tools"',
        ),
        ToolAuth(
            "serviceAccount",
            "/etc/omnia/tool-secrets/bank",
            'the token of the pod\'s ServiceAccount for the audience "bank"',
        ),
        None,
    ]
    assert made.credentials == ()


def test_without_credentials_there_is_no_volume_for_them() -> None:
    made = with_registry(objects.registry())
    assert "omnia-tool-secrets" not in str(made)


def test_the_credential_of_a_registry_elsewhere_is_copied() -> None:
    registry = objects.merge(
        objects.registry(objects.handler({"auth": BEARER}), allowedNamespaces=["default"]),
        {"metadata": {"namespace": "shared"}},
    )
    made = with_registry(registry, {"namespace": "shared"})

    target = SecretKeyRef("omnia-helper-provider-keys", "tool.weather")
    source = SecretSource("shared", "crm", "token")
    assert made.secret_copies == (SecretCopy(source, target, optional=True),)
    (mounted,) = made.volumes[-1]["projected"]["sources"]
    assert mounted["secret"]["name"] == target.name
    assert mounted["secret"]["items"] == [{"key": target.key, "path": "weather"}]


def test_an_inline_prompt_may_call_tools_that_only_their_servers_know() -> None:
    files: JsonObject = {"name": "files", "type": "mcp", "tool": None, "httpConfig": None}
    files["mcpConfig"] = {"transport": "sse", "endpoint": "http://files"}
    agent = objects.agent(
        {
            "promptPackRef": None,
            "prompt": {"system": "Help."},
            "toolRegistryRef": {"name": "tools"},
        }
    )
    for registry, listed in (
        (objects.registry(objects.handler()), ["weather"]),
        (objects.registry(objects.handler(), objects.handler(files)), []),
    ):
        made = planned(agent, world.found(objects.provider(), registry))
        pack = json.loads(content(made, "pack")["0.0.0.json"])
        assert pack["prompts"]["default"].get("tools", []) == listed


def test_everything_that_a_handler_says_reaches_the_runtime() -> None:
    policy = {"maxAttempts": 3, "initialBackoff": "1s", "backoffMultiplier": 1.5}
    config: JsonObject = {
        "queryParams": ["q"],
        "staticBody": {"a": 1},
        "bodyMapping": "{a: b}",
        "responseMapping": "c",
        "redact": ["d"],
        "identityHeaders": False,
        "retryPolicy": policy | {"retryOn": [503], "respectRetryAfter": False},
    }
    api: JsonObject = {"specURL": "http://api/openapi.json", "operationFilter": ["one"]}
    made = with_registry(
        objects.registry(
            objects.handler({"httpConfig": config}),
            objects.handler(
                {
                    "name": "api",
                    "type": "openapi",
                    "tool": None,
                    "httpConfig": None,
                    "openAPIConfig": api | {"retryPolicy": policy},
                }
            ),
        )
    )
    weather, shop = decode_yaml(content(made, "tools")["tools.yaml"], ToolsFile, "it").handlers
    retry = HTTPRetryPolicy(3, "1s", 1.5, "30s", (503,), respect_retry_after=False)
    assert weather.http_config == HTTPConfig(
        "http://weather.tools/now",
        query_params=["q"],
        static_body={"a": 1},
        body_mapping="{a: b}",
        response_mapping="c",
        redact=["d"],
        retry_policy=retry,
        identity_headers=False,
    )
    assert shop.openapi_config == OpenAPIConfig(
        "http://api/openapi.json",
        operation_filter=["one"],
        retry_policy=HTTPRetryPolicy(3, "1s", 1.5),
    )


def test_what_the_user_adds_to_the_pod_is_handed_on_as_written() -> None:
    secret = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    made = planned(
        objects.agent(
            {
                "facade": {"resources": {"limits": {"cpu": 1}}, "extraEnv": [secret]},
                "runtime": {
                    "resources": {"limits": {"memory": "1Gi"}},
                    "extraEnv": [{"name": "A", "value": "b"}],
                    "volumes": [{"name": "v", "secret": {"secretName": "s", "defaultMode": 256}}],
                    "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "a"}],
                },
            }
        )
    )

    assert made.facade.extra_env == (secret,)
    assert made.facade.resources == {"limits": {"cpu": 1}}
    assert made.runtime is not None
    assert made.runtime.extra_env == ({"name": "A", "value": "b"},)
    assert made.runtime.resources == {"limits": {"memory": "1Gi"}}
    assert made.runtime.mounts[-1] == MountPlan("v", "/v", read_only=False, sub_path="a")
    assert made.volumes[-1] == {"name": "v", "secret": {"secretName": "s", "defaultMode": 256}}


@pytest.mark.parametrize(
    ("framework", "image"),
    [
        ({}, "registry:5000/runtime:1"),
        ({"version": "2"}, "registry:5000/runtime:2"),
        ({"version": "2", "image": "mine:3"}, "mine:3"),
        ({"type": "custom", "image": "mine:3"}, "mine:3"),
    ],
)
def test_the_framework_chooses_the_image(framework: JsonObject, image: str) -> None:
    made = planned(objects.agent({"framework": framework}))

    assert made.runtime is not None
    assert made.runtime.image == image


def test_an_inline_prompt_is_mounted_like_any_pack() -> None:
    document = objects.agent({"promptPackRef": None, "prompt": {"system": "Hi."}})

    pack = json.loads(content(planned(document), "pack")["0.0.0.json"])
    assert pack["prompts"]["default"]["system_template"] == "Hi."


def test_planning_twice_gives_the_same_plan() -> None:
    assert planned() == planned()
