"""The parts of resolving, each as a function of its values."""

import json
from typing import Any

import pytest

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_operator.api import PromptPack, ToolRegistry, parse
from omnia_operator.api.promptpack import CanaryProgress, PromptPackStatus
from omnia_operator.api.toolhandler import ToolHandler
from omnia_operator.resolve import (
    IssuerKeys,
    NoKeys,
    Problem,
    SecretSource,
    ServicePort,
    ToolService,
    located,
    provider_problem,
    resolve,
    service_of,
    tools_without_handler,
)
from omnia_operator.resolve.auth import resolve_auth
from omnia_operator.resolve.canary import next_step_of, weight_of
from omnia_operator.resolve.found import granted, missing
from omnia_operator.resolve.lineup import ResolvedPack, line_up, newest_first, pinned, precedence
from tests.operator import objects, world

START = "2026-01-01T00:00:00Z"
CANARY = {"type": "canary", "canary": {"weight": 10, "stepWeight": 30, "interval": "1m"}}


def pack(
    version: str,
    name: str = "p",
    rollout: JsonObject | None = None,
    progress: CanaryProgress | None = None,
) -> PromptPack:
    spec: JsonObject = {"version": version, "packName": "pack"}
    parsed = parse(objects.pack(spec | ({"rollout": rollout} if rollout else {}), name))
    assert isinstance(parsed, PromptPack)
    return parsed.model_copy(update={"status": PromptPackStatus(canary=progress)})


def started(version: str, completion: str | None = None) -> CanaryProgress:
    return CanaryProgress(version=version, start_time=START, completion_time=completion)


# Versions


def test_versions_are_in_the_order_of_semver() -> None:
    ordered = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "v1.0.0",
        "1.0.1",
        "1.2.0",
        "1.10.0",
        "2.0.0",
    ]
    assert sorted(ordered, key=precedence) == ordered
    assert precedence("v1.0.0+build.7") == precedence("1.0.0")


def test_objects_of_one_version_are_in_the_order_of_their_names() -> None:
    packs = [pack("1.0.0", "b"), pack("2.0.0", "z"), pack("1.0.0", "a")]
    assert [each.metadata.name for each in newest_first(packs)] == ["z", "a", "b"]


def readable(*packs: PromptPack, size: int = 2) -> list[tuple[PromptPack, ResolvedPack]]:
    return [(each, ResolvedPack("pack", each.spec.version, "x" * size)) for each in packs]


@pytest.mark.parametrize(
    ("packs", "stable", "candidate", "others"),
    [
        ([pack("2.0.0"), pack("1.0.0")], "2.0.0", None, ["1.0.0"]),
        ([pack("2.0.0", rollout=CANARY), pack("1.0.0")], "1.0.0", "2.0.0", []),
        (
            [pack("3.0.0", rollout=CANARY), pack("2.0.0", rollout=CANARY), pack("1.0.0")],
            "1.0.0",
            "3.0.0",
            ["2.0.0"],
        ),
        ([pack("2.0.0", rollout=CANARY)], "2.0.0", None, []),
        (
            [pack("2.0.0", rollout=CANARY), pack("1.0.0", rollout=CANARY)],
            "1.0.0",
            "2.0.0",
            [],
        ),
        ([pack("2.0.0"), pack("v2.0.0"), pack("1.0.0")], "2.0.0", None, ["1.0.0"]),
    ],
)
def test_new_sessions_get_the_newest_version_that_has_all_of_them(
    packs: list[PromptPack], stable: str, candidate: str | None, others: list[str]
) -> None:
    found = line_up(readable(*packs), START)
    assert (found.stable.version, found.candidate and found.candidate.version) == (
        stable,
        candidate,
    )
    assert (found.weight, found.wait) == ((10, 60.0) if candidate else (0, None))
    assert [each.version for each in found.others] == others
    assert [each.version for each in found.packs] == [
        each for each in (stable, candidate, *others) if each
    ]


ROOM = 1024 * 1024 - 1024


@pytest.mark.parametrize(
    ("size", "kept", "left_out"),
    [
        (ROOM // 3, ["2.0.0", "1.0.0"], ()),
        (ROOM // 3 + 1, ["2.0.0"], ("1.0.0",)),
        (ROOM // 2 + 1, [], ("2.0.0", "1.0.0")),
    ],
)
def test_versions_are_kept_up_to_the_size_of_a_config_map(
    size: int, kept: list[str], left_out: tuple[str, ...]
) -> None:
    assert ROOM % 3 == 0
    versions = readable(pack("3.0.0"), pack("2.0.0"), pack("1.0.0"), size=size)
    for found in (line_up(versions, START), pinned(versions[0][1], versions)):
        assert [each.version for each in found.others] == kept
        assert found.left_out == left_out


def test_the_size_of_a_pack_is_counted_in_bytes() -> None:
    assert ResolvedPack("pack", "1.0.0", "ä€").size == 5


def test_of_two_objects_of_one_version_the_first_has_the_steps() -> None:
    twins = [
        objects.pack({"version": "2.0.0", "packName": "pack", "rollout": CANARY}, "a"),
        objects.pack({"version": "2.0.0", "packName": "pack"}, "b"),
        objects.pack({"version": "1.0.0", "packName": "pack"}, "c"),
    ]
    maps = {f"{name}-json": {"pack.json": world.PACK_TEXT} for name in "abc"}
    there = world.found(*twins, objects.provider(), config_maps=maps)
    found = world.resolved(objects.agent(), there).pack
    assert found is not None
    assert found.candidate is not None
    assert (found.stable.version, found.candidate.version) == ("1.0.0", "2.0.0")


# Canaries


@pytest.mark.parametrize(
    ("one", "at", "weight", "wait"),
    [
        (pack("2.0.0"), START, 100, None),
        (pack("2.0.0", rollout={"type": "immediate"}), START, 100, None),
        (pack("2.0.0", rollout=CANARY), START, 10, 60),
        (pack("2.0.0", rollout=CANARY), "", 10, 60),
        (pack("2.0.0", rollout=CANARY, progress=started("2.0.0")), "2026-01-01T00:00:59Z", 10, 1),
        (pack("2.0.0", rollout=CANARY, progress=started("2.0.0")), "2026-01-01T00:01:00Z", 40, 60),
        (pack("2.0.0", rollout=CANARY, progress=started("2.0.0")), "2026-01-01T00:02:30Z", 70, 30),
        (
            pack("2.0.0", rollout=CANARY, progress=started("2.0.0")),
            "2026-01-01T00:03:00Z",
            100,
            None,
        ),
        (
            pack("2.0.0", rollout=CANARY, progress=started("2.0.0")),
            "2026-01-01T09:00:00Z",
            100,
            None,
        ),
        # A clock that went back.
        (pack("2.0.0", rollout=CANARY, progress=started("2.0.0")), "2025-12-31T23:59:30Z", 10, 90),
        # Another version in the same object.
        (pack("2.0.0", rollout=CANARY, progress=started("1.0.0")), "2026-01-01T00:01:00Z", 10, 60),
    ],
)
def test_the_weight_of_a_version_follows_from_its_start(
    one: PromptPack, at: str, weight: int, wait: float | None
) -> None:
    assert (weight_of(one, at), next_step_of(one, at)) == (weight, wait)


def test_a_canary_that_is_complete_has_all_sessions() -> None:
    done = pack("2.0.0", rollout=CANARY, progress=started("2.0.0", START))
    assert weight_of(done, START) == 100


# Services


def service(
    name: str = "weather",
    *,
    namespace: str = "tools",
    labels: dict[str, str] | None = None,
    ports: tuple[ServicePort, ...] = (ServicePort("http", 80), ServicePort("admin", 8081)),
    **annotations: str,
) -> ToolService:
    return ToolService(
        name,
        namespace,
        ports,
        {"app": "weather", "tier": "b"} if labels is None else labels,
        {
            f"omnia.altairalabs.ai/{key.replace('_', '-')}": text
            for key, text in annotations.items()
        },
    )


def handler(kind: str = "http", **change: Any) -> ToolHandler:
    made = {"httpConfig": None, "selector": {"matchLabels": {"app": "weather"}}, "type": kind}
    parsed = parse(objects.registry(objects.handler(made | change)))
    assert isinstance(parsed, ToolRegistry)
    return parsed.spec.handlers[0]


@pytest.mark.parametrize(
    ("selector", "one", "address"),
    [
        ({}, service(), "http://weather.tools.svc.cluster.local:80"),
        ({"port": "admin"}, service(), "http://weather.tools.svc.cluster.local:8081"),
        ({"port": "8081"}, service(), "http://weather.tools.svc.cluster.local:8081"),
        ({}, service(tool_path=" now "), "http://weather.tools.svc.cluster.local:80/now"),
        ({}, service(tool_path="/now"), "http://weather.tools.svc.cluster.local:80/now"),
        ({}, service(tool_type=" HTTPS "), "https://weather.tools.svc.cluster.local:80"),
        ({}, service(tool_type="http"), "http://weather.tools.svc.cluster.local:80"),
    ],
)
def test_a_selector_finds_the_address_of_a_service(
    selector: JsonObject, one: ToolService, address: str
) -> None:
    labels = {"matchLabels": {"app": "weather"}}
    assert located(handler(selector=labels | selector), [one], "tools").address == address


def test_a_grpc_handler_gets_host_and_port() -> None:
    found = located(handler("grpc"), [service(tool_type="grpc")], "tools")
    assert found.address == "weather.tools.svc.cluster.local:80"


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("openapi", {"tool": None}),
        ("mcp", {"tool": None, "mcpConfig": {"transport": "streamable-http"}}),
    ],
)
def test_a_server_that_describes_itself_gets_a_url(kind: str, change: JsonObject) -> None:
    found = located(handler(kind, **change), [service(tool_path="/x")], "tools")
    assert found.address == "http://weather.tools.svc.cluster.local:80/x"


def test_the_first_service_by_name_that_has_all_labels_is_used() -> None:
    services = [
        service("c"),
        service("b"),
        service("a", namespace="other"),
        service("a", labels={"app": "news"}),
        service("a", labels={}),
    ]
    found = located(handler(), services, "tools").address
    assert found == "http://b.tools.svc.cluster.local:80"
    elsewhere = {"matchLabels": {"app": "weather"}, "namespace": "other"}
    found = located(handler(selector=elsewhere), services, "tools").address
    assert found == "http://a.other.svc.cluster.local:80"


def test_a_handler_with_an_address_keeps_it() -> None:
    own = handler(httpConfig={"endpoint": "http://own/"})
    assert located(own, [service()], "tools") is own


def test_a_service_may_name_and_describe_its_tool() -> None:
    one = service(tool_name=" rain ", tool_description=" Says when it rains. ")
    tool = located(handler(), [one], "tools").tool
    assert tool is not None
    assert (tool.name, tool.description) == ("rain", "Says when it rains.")
    tool = located(handler(), [service(tool_description="Rain.")], "tools").tool
    assert tool is not None
    assert (tool.name, tool.description) == ("weather", "Rain.")
    longest = located(handler(), [service(tool_name="r" * 64)], "tools").tool
    assert longest is not None
    assert longest.name == "r" * 64


@pytest.mark.parametrize(
    ("made", "services", "message"),
    [
        (
            handler(selector={"matchLabels": {"b": "2", "a": "1"}}),
            [service()],
            'no Service in namespace "tools" has the labels a=1,b=2: create it, or correct',
        ),
        (
            handler(selector={"matchLabels": {"app": "weather"}, "port": "grpc"}),
            [service(ports=(ServicePort("http", 80), ServicePort("", 81)))],
            'the Service "weather" has no port "grpc" (its ports: http, 81): correct selector.port',
        ),
        (handler(), [service(ports=())], 'has no port "" (its ports: none)'),
        (
            handler(),
            [service(tool_type="grpc")],
            'the Service "weather" is annotated as grpc, and the handler has type http',
        ),
        (
            handler("grpc"),
            [service(tool_type="http")],
            "is annotated as http, and the handler has type grpc",
        ),
        (
            handler(),
            [service(tool_name="Rain")],
            'the Service "weather" is annotated with the tool name "Rain": use lower-case',
        ),
        (handler(), [service(tool_name="r" * 65)], f'the tool name "{"r" * 64}": use'),
    ],
)
def test_a_service_that_does_not_fit_says_why(
    made: ToolHandler, services: list[ToolService], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        located(made, services, "tools")
    assert message in caught.value.message


def test_a_service_is_read_from_its_document() -> None:
    named = {"name": "a", "namespace": "b"}
    document = {
        "metadata": named | {"labels": {"c": "d"}, "annotations": {"e": "f"}},
        "spec": {"ports": [{"port": 80}, {"name": "admin", "port": 81}]},
    }
    ports = (ServicePort("", 80), ServicePort("admin", 81))
    assert service_of(document) == ToolService("a", "b", ports, {"c": "d"}, {"e": "f"})
    assert service_of({"metadata": named}) == ToolService("a", "b", ())


# Credentials

KEYS = IssuerKeys("https://i.example", ({"kid": "1"},))
CLUSTER = IssuerKeys("https://cluster.example", ({"kid": "2"},))
GONE = NoKeys("JWKSUnreachable", "the issuer is gone", KEYS)
AUTH = {"oidc": {"issuer": "https://i.example", "audience": "a"}, "clientKeys": {}}


def test_the_facade_gets_the_keys_that_the_agent_accepts() -> None:
    there = world.found()
    there.oidc, there.cluster_issuer = KEYS, CLUSTER
    every = resolve_auth(world.agent(objects.agent({"externalAuth": AUTH})), there)
    assert (every.management, every.oidc, every.problems) == (CLUSTER, KEYS.keys, ())
    off = {"externalAuth": {"management": {"enabled": False}}}
    none = resolve_auth(world.agent(objects.agent(off)), there)
    assert (none.management, none.oidc, none.client_keys, none.user_id_key) == (None, (), (), None)


def test_the_last_keys_of_an_issuer_that_is_away_stay() -> None:
    there = world.found()
    there.oidc, there.cluster_issuer = GONE, NoKeys("X", "the cluster is gone", CLUSTER)
    agent = world.agent(objects.agent({"externalAuth": AUTH}))
    found = resolve_auth(agent, there)
    assert (found.management, found.oidc) == (CLUSTER, KEYS.keys)
    assert found.problems == (
        Problem("ExternalAuth", "Unreachable", "the cluster is gone", retry=True),
        Problem("OIDCJWKSReady", "JWKSUnreachable", "the issuer is gone", retry=True),
    )
    there.oidc = NoKeys("JWKSUnreachable", "the issuer is gone")
    assert resolve_auth(agent, there).oidc == ()


def test_client_keys_belong_to_the_agent_that_owns_them() -> None:
    parts = ("keyHash", "scopes", "expires-at")
    names = {"mine": frozenset({"u1"}), "free": frozenset(), "theirs": frozenset({"u2"})}
    there = world.found(secrets={("default", name): parts[:2] for name in names})
    there.client_keys = {("default", name): owners for name, owners in names.items()}
    agent = world.agent(objects.agent({"externalAuth": AUTH}, uid="u1"))
    found = resolve_auth(agent, there).client_keys
    assert {each.name for each in found} == {"mine", "free"}
    without = {"externalAuth": {"oidc": AUTH["oidc"]}}
    assert resolve_auth(world.agent(objects.agent(without, uid="u1")), there).client_keys == ()


@pytest.mark.parametrize(
    ("keys", "reason", "words"),
    [
        (None, "SecretNotFound", 'Secret "ids", which does not exist: all requests are refused'),
        (["other"], "SecretKeyMissing", 'Secret "ids", which has no key "k": all requests are'),
        (["k"], None, ""),
    ],
)
def test_user_ids_need_their_key(keys: list[str] | None, reason: str | None, words: str) -> None:
    auth = {"externalAuth": {"userIdKeyRef": {"name": "ids", "key": "k"}}}
    there = world.found(secrets=None if keys is None else {("default", "ids"): keys})
    found = resolve_auth(world.agent(objects.agent(auth)), there)
    assert found.user_id_key == SecretSource("default", "ids", "k")
    assert [each.reason for each in found.problems] == ([reason] if reason else [])
    for each in found.problems:
        assert words in each.message
        assert (each.condition, each.retry) == ("ExternalAuth", False)


# Everything else


@pytest.mark.parametrize(
    ("owner", "allowed", "user", "expected"),
    [
        ("a", [], "a", True),
        ("a", [], "b", False),
        ("a", ["b"], "b", True),
        ("a", ["*"], "b", True),
        ("a", ["c"], "b", False),
    ],
)
def test_an_object_is_shared_by_its_owner(
    owner: str, allowed: list[str], user: str, expected: bool
) -> None:
    assert granted(owner, allowed, user) is expected


def test_a_missing_object_is_told_with_those_of_its_namespace() -> None:
    existing = [("a", "z"), ("b", "x"), ("a", "y")]
    assert missing("Provider", ("a", "m"), existing, "spec.x") == (
        'there is no Provider "m" in namespace "a" (existing: y, z): create it, or correct spec.x'
    )


@pytest.mark.parametrize(
    ("keys", "reason", "words"),
    [
        (None, "SecretNotFound", "which does not exist: create it, or correct"),
        ([], "SecretKeyMissing", 'key url of Secret "db", which has the keys none: add it'),
        (["b", "a"], "SecretKeyMissing", "which has the keys a, b: add it"),
    ],
)
def test_a_session_store_needs_the_key_of_its_address(
    keys: list[str] | None, reason: str, words: str
) -> None:
    change = {"session": {"type": "redis", "storeRef": {"name": "db"}}}
    secrets = None if keys is None else {("default", "db"): keys}
    there = world.found(objects.pack(), objects.provider(), secrets=secrets)
    # `problems` holds that each of them is tried again.
    ((condition, found, message),) = world.problems(objects.agent(change), there)
    assert (condition, found) == ("SessionStoreReady", reason)
    assert words in message


FILE = {"type": "sqlite", "persistentVolumeClaim": {"claimName": "c"}}


@pytest.mark.parametrize(
    ("session", "runtime", "reason", "words"),
    [
        ({"type": "sqlite"}, {}, "VolumeClaimMissing", "set spec.session.persistentVolumeClaim"),
        (FILE, {"replicas": 2}, "SeveralReplicas", "set spec.runtime.replicas to 1"),
        (
            FILE,
            {"autoscaling": {"enabled": True, "maxReplicas": 2}},
            "SeveralReplicas",
            "set spec.runtime.autoscaling.maxReplicas to 1, or spec.session.type to redis",
        ),
    ],
)
def test_a_file_of_sessions_needs_a_volume_and_one_pod(
    session: JsonObject, runtime: JsonObject, reason: str, words: str
) -> None:
    there = world.found(objects.pack(), objects.provider())
    agent = world.agent(objects.agent({"session": session, "runtime": runtime}))
    outcome = resolve(agent, there)
    assert isinstance(outcome, tuple)
    ((condition, found, message),) = [
        (each.condition, each.reason, each.message) for each in outcome
    ]
    assert (condition, found) == ("SessionStoreReady", reason)
    assert words in message


@pytest.mark.parametrize(
    "runtime", [{}, {"replicas": 3, "autoscaling": {"enabled": True, "maxReplicas": 1}}]
)
def test_a_file_of_sessions_on_the_volume_of_one_pod_is_fine(runtime: JsonObject) -> None:
    there = world.found(objects.pack(), objects.provider())
    agent = objects.agent({"session": FILE, "runtime": runtime})
    assert world.resolved(agent, there).store is None


@pytest.mark.parametrize("session", [{"type": "memory", "storeRef": {"name": "db"}}, {}])
def test_a_pod_that_keeps_sessions_itself_needs_no_store(session: JsonObject) -> None:
    there = world.found(objects.pack(), objects.provider())
    assert world.resolved(objects.agent({"session": session}), there).store is None


@pytest.mark.parametrize(
    ("kind", "name", "change", "condition"),
    [
        (Kind.PROVIDER, "model", {}, ("ProviderReady", "ProviderNotReady")),
        (
            Kind.TOOL_REGISTRY,
            "tools",
            {"toolRegistryRef": {"name": "tools"}},
            ("ToolRegistryReady", "ToolRegistryInvalid"),
        ),
    ],
)
def test_an_invalid_object_is_named_with_what_is_wrong(
    kind: Kind, name: str, change: JsonObject, condition: tuple[str, str]
) -> None:
    there = world.found(objects.pack(), objects.provider())
    there.invalid = {(kind, ("default", name)): "spec.type: unknown"}
    (found,) = world.problems(objects.agent(change), there)
    assert found == (*condition, f'{kind.value} "{name}" is invalid: spec.type: unknown')


def test_an_agent_needs_the_providers_of_its_pack() -> None:
    prompts = {"main": world.PACK["prompts"]["main"] | {"provider": "spare"}}
    optional = {"key": "spare", "role": "chat", "required": False}
    required = {"key": "must", "role": "chat", "required": True}
    requires = {"providers": ["default", "judge", optional, required]}

    def problem(prompts: JsonObject, requires: JsonObject, *names: str) -> str | None:
        text = world.PACK | {"prompts": prompts, "requires": requires}
        maps = {"pack-json": {"pack.json": json.dumps(text)}}
        there = world.found(objects.pack(), objects.provider(), config_maps=maps)
        refs = [{"name": each, "providerRef": {"name": "model"}} for each in names]
        outcome = resolve(world.agent(objects.agent({"providers": refs})), there)
        return outcome[0].message if isinstance(outcome, tuple) else None

    plain = world.PACK["prompts"]
    assert problem(prompts, {"providers": [optional]}, "default", "spare") is None
    assert problem(plain, requires, "default", "judge", "must") is None
    for given, wanted, lacks, names in (
        (prompts, {"providers": [optional]}, "spare", ("default",)),
        (plain, requires, "judge", ("default", "must")),
        (plain, requires, "must", ("default", "judge")),
    ):
        assert problem(given, wanted, *names) == (
            f'PromptPack "pack" 1.0.0 needs a provider "{lacks}" (the agent has:'
            f" {', '.join(names)}): add it to spec.providers"
        )


def test_tools_that_no_handler_has_are_named_with_the_most_similar() -> None:
    main = world.PACK["prompts"]["main"]
    policy = {"blocklist": ["blocked"]}
    tools = ["wether", "weather", "blocked", "crm__*"]
    prompts = {"main": main | {"tools": tools, "tool_policy": policy}}
    maps = {"pack-json": {"pack.json": json.dumps(world.PACK | {"prompts": prompts})}}
    there = world.found(objects.pack(), objects.provider(), objects.registry(), config_maps=maps)
    change = {"toolRegistryRef": {"name": "tools"}}
    assert [*tools_without_handler(world.resolved(objects.agent(change), there))] == [
        (
            'the prompt "main" lists the tool "wether", which no handler has (ToolRegistry'
            ' "tools"): the model is not offered it; the most similar tool there is "weather"'
        )
    ]
    alone = [*tools_without_handler(world.resolved(objects.agent(), there))]
    assert alone == [
        f'the prompt "main" lists the tool "{name}", which no handler has (no toolRegistryRef): the'
        " model is not offered it"
        for name in ("wether", "weather")
    ]


def test_nothing_is_known_about_tools_of_servers_that_describe_their_own() -> None:
    main = world.PACK["prompts"]["main"]
    prompts = {"main": main | {"tools": ["any"]}}
    maps = {"pack-json": {"pack.json": json.dumps(world.PACK | {"prompts": prompts})}}
    api = {"type": "openapi", "tool": None, "httpConfig": None}
    registry = objects.registry(
        objects.handler(api | {"openAPIConfig": {"specURL": "http://api/openapi.json"}})
    )
    there = world.found(objects.pack(), objects.provider(), registry, config_maps=maps)
    change = {"toolRegistryRef": {"name": "tools"}}
    assert [*tools_without_handler(world.resolved(objects.agent(change), there))] == []
    echo = {"facade": {"handler": "echo"}}
    assert [*tools_without_handler(world.resolved(objects.agent(echo), there))] == []


def test_a_provider_has_the_problem_that_its_agents_would_have() -> None:
    spec = {"type": "openai", "model": "m", "secretRef": {"name": "keys"}}
    there = world.found(objects.provider(spec))
    provider = there.providers["default", "model"]
    found = provider_problem(provider, there)
    assert found is not None
    assert (found.condition, found.reason, found.retry) == ("ProviderReady", "SecretNotFound", True)
    there.secrets = {("default", "keys"): {"api-key": ""}}
    assert provider_problem(provider, there) is None
