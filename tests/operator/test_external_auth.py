"""Whose credentials an agent accepts: from its spec to the files of its facade, and its status."""

import asyncio
import functools
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from omnia_core.files.auth import AuthFile, ClientKeyAuth, EdgeTrust, Role
from omnia_core.jsonvalue import JsonObject
from omnia_facade.auth.chain import Authenticator, Unauthorized
from omnia_facade.auth.mounted import MountedValidator
from omnia_operator import labels
from omnia_operator.cluster.kinds import AGENT_RUNTIME, CONFIG_MAP, DEPLOYMENT, POD, SECRET
from omnia_operator.discovery import Egress, Issuers
from omnia_operator.discovery.issuers import FAILED_SECONDS, FRESH_SECONDS, discover
from omnia_operator.plan import Settings
from omnia_operator.policy import Policy
from omnia_operator.resolve import IssuerKeys, NoKeys
from omnia_operator.scheduling import Requeue
from tests.facade.signing import Issuer, bearing
from tests.operator import objects
from tests.operator.cluster import SETTINGS, FakeCluster, pod, secret, unavailable
from tests.operator.openid import Provider, serving

asked = functools.partial(discover, egress=Egress(lambda _: False))


class Scene:
    """One agent in a cluster, with a clock for what is fetched."""

    def __init__(self, auth: JsonObject | None = None, **changes: Any) -> None:
        self.now = 0.0
        self.cluster = FakeCluster()
        self.restarted()
        self.agent(auth, **changes)

    def restarted(self) -> None:
        """Let another operator take over, who remembers nothing."""
        self.cluster.issuers = Issuers(asked, clock=lambda: self.now)

    def agent(self, auth: JsonObject | None = None, **changes: Any) -> None:
        given = {} if auth is None else {"externalAuth": auth}
        self.cluster.put(objects.agent({"facade": {"handler": "echo"}, **given, **changes}))

    async def settle(self, settings: Settings = SETTINGS) -> "Scene":
        await self.cluster.settle(settings)
        self.cluster.run_pods()
        await self.cluster.settle(settings)
        self.cluster.writes.clear()
        return self

    @property
    def file(self) -> AuthFile:
        text = self.cluster.live(CONFIG_MAP, "omnia-helper-auth")["data"]["auth.json"]
        return msgspec.json.decode(text, type=AuthFile)

    @property
    def secret(self) -> dict[str, str]:
        data: dict[str, str] = self.cluster.live(SECRET, "omnia-helper-auth")["data"]
        return data

    def condition(self, name: str = "ExternalAuth") -> str:
        return self.cluster.conditions().get(name, "")

    async def reconcile(self) -> Requeue:
        return await self.cluster.reconcile(AGENT_RUNTIME)


def client_key(name: str, key: str, *, agent: str = "helper", **more: str) -> JsonObject:
    digest = b64encode(sha256(key.encode()).digest()).decode()
    data = {part: b64encode(text.encode()).decode() for part, text in more.items()}
    made = secret(name, {"keyHash": digest, **data})
    made["metadata"]["labels"] = {
        "omnia.altairalabs.ai/credential-kind": "agent-client-key",
        "omnia.altairalabs.ai/agent": agent,
    }
    return made


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with serving() as made:
        yield made


def oidc(provider: Provider, **more: object) -> JsonObject:
    return {"oidc": {"issuer": provider.url, "audience": "agent", **more}}


async def test_an_agent_accepts_the_clusters_tokens_without_being_told() -> None:
    scene = await Scene().settle()

    management = scene.file.management
    assert management
    assert (management.issuer, management.audience) == ("https://cluster", "omnia://default/helper")
    assert (management.namespaces, management.keys) == (("default",), ({"kid": "c1"},))
    assert scene.file == AuthFile(management)
    assert scene.condition() == "True: DashboardOnly"
    assert "omnia://default/helper" in scene.cluster.message("ExternalAuth")


async def test_other_namespaces_are_let_in_by_name() -> None:
    scene = await Scene({"management": {"namespaces": ["ops", "default"]}}).settle()

    assert scene.file.management
    assert scene.file.management.namespaces == ("default", "ops")


async def test_an_agent_that_accepts_nothing_says_so_and_runs() -> None:
    scene = await Scene({"management": {"enabled": False}}).settle()

    assert scene.file == AuthFile()
    assert scene.condition() == "False: Unreachable"
    assert "the agent accepts no credentials" in scene.cluster.message("ExternalAuth")
    assert scene.condition("Ready") == "True: RuntimeReady"


async def test_an_agent_is_open_until_the_last_pod_that_was_is_gone() -> None:
    scene = Scene(facade={"handler": "echo"})
    await scene.settle(Settings(allow_unauthenticated=True))
    assert scene.condition() == "False: Unauthenticated"

    await scene.cluster.settle()
    scene.cluster.surge()
    await scene.cluster.settle()
    assert scene.condition() == "False: Unauthenticated"
    scene.cluster.run_pods()
    await scene.cluster.settle()
    assert scene.condition() == "True: DashboardOnly"

    # Whoever opens an agent is told at once.
    await scene.cluster.settle(Settings(allow_unauthenticated=True))
    scene.cluster.surge()
    await scene.cluster.settle(Settings(allow_unauthenticated=True))
    assert scene.condition() == "False: Unauthenticated"


@pytest.mark.parametrize("by", ["the chart", "extraEnv"])
async def test_an_agent_that_is_open_to_all_says_so(by: str) -> None:
    variable = {"name": "OMNIA_FACADE_ALLOW_UNAUTHENTICATED", "value": "true"}
    extra = [variable] if by == "extraEnv" else []
    scene = Scene(facade={"handler": "echo", "extraEnv": extra})

    allowed = Policy(unauthenticated_agents=True)
    await scene.settle(Settings(allow_unauthenticated=by == "the chart", policy=allowed))

    assert scene.condition() == "False: Unauthenticated"
    assert ("helper", "Unauthenticated") in scene.cluster.events
    assert scene.condition("Ready") == "True: RuntimeReady"


async def test_keys_of_the_cluster_that_cannot_be_read_are_a_condition_and_the_last_ones_stay() -> (
    None
):
    scene = await Scene().settle()

    scene.restarted()
    scene.cluster.issuer = unavailable()
    await scene.settle()
    assert scene.condition() == "False: Unreachable"
    assert scene.file.management
    assert scene.file.management.keys == ({"kid": "c1"},)
    assert await scene.reconcile() == Requeue.with_backoff()

    scene.cluster.issuer = IssuerKeys("https://cluster", ({"kid": "c2"},))
    scene.now += FAILED_SECONDS
    await scene.settle()
    assert scene.condition() == "True: DashboardOnly"
    assert scene.file.management.keys == ({"kid": "c2"},)


async def test_client_keys_are_collected_in_one_secret() -> None:
    scene = Scene({"clientKeys": {"defaultRole": "editor", "trustEndUserHeader": True}})
    scene.cluster.put(
        client_key("agent-helper-clientkey-1", "one", scopes='{"a": 1}'),
        client_key("agent-helper-clientkey-2", "two", expiresAt="2100-01-01T00:00:00Z"),
        client_key("of-another", "three", agent="other"),
        secret("of-nobody", {"keyHash": "aGFzaA=="}),
    )
    await scene.settle()

    assert scene.file.client_keys == ClientKeyAuth(
        trust_end_user_header=True, default_role=Role.EDITOR
    )
    assert set(scene.secret) == {
        "agent-helper-clientkey-1.keyHash",
        "agent-helper-clientkey-1.scopes",
        "agent-helper-clientkey-2.keyHash",
        "agent-helper-clientkey-2.expiresAt",
    }
    assert scene.condition() == "True: DataPlaneConfigured"
    assert scene.cluster.message("ExternalAuth") == "accepted: management, clientKeys"


async def test_client_keys_that_nobody_asked_for_open_nothing() -> None:
    scene = Scene()
    scene.cluster.put(client_key("key", "one"))
    await scene.settle()

    assert (SECRET, ("default", "omnia-helper-auth")) not in scene.cluster.objects
    assert scene.file.client_keys is None


async def test_a_key_of_a_former_agent_of_the_same_name_is_left_out() -> None:
    scene = Scene({"clientKeys": {}})
    mine = scene.cluster.live(AGENT_RUNTIME)["metadata"]["uid"]
    for name, uid in (("mine", mine), ("former", "another")):
        made = client_key(name, name)
        made["metadata"]["ownerReferences"] = [{"kind": "AgentRuntime", "uid": uid}]
        scene.cluster.put(made)
    await scene.settle()

    assert list(scene.secret) == ["mine.keyHash"]


async def test_keys_come_and_go_without_a_new_pod_and_the_kubelet_looks_at_once() -> None:
    scene = await Scene({"clientKeys": {}}).settle()
    scene.cluster.put(pod("p"))
    template = scene.cluster.live(DEPLOYMENT)["spec"]["template"]

    scene.cluster.put(client_key("key", "one"))
    await scene.cluster.settle()
    assert scene.cluster.writes == ["apply Secret omnia-helper-auth", "annotate Pod p"]
    first = scene.cluster.live(POD, "p")["metadata"]["annotations"][labels.FILES_HASH]

    scene.cluster.writes.clear()
    scene.cluster.put(client_key("key", "two"))
    await scene.cluster.settle()
    assert scene.cluster.writes == ["apply Secret omnia-helper-auth", "annotate Pod p"]
    second = scene.cluster.live(POD, "p")["metadata"]["annotations"][labels.FILES_HASH]

    scene.cluster.writes.clear()
    scene.cluster.remove(SECRET, "key")
    await scene.cluster.settle()
    assert scene.cluster.writes == ["delete Secret omnia-helper-auth", "annotate Pod p"]
    third = scene.cluster.live(POD, "p")["metadata"]["annotations"][labels.FILES_HASH]

    assert len({first, second, third}) == 3
    assert scene.cluster.live(DEPLOYMENT)["spec"]["template"] == template


async def test_the_facade_understands_what_the_operator_wrote(
    provider: Provider, tmp_path: Path
) -> None:
    cluster = Issuer("https://cluster").add("c1")
    scene = Scene({"clientKeys": {}, **oidc(provider)})
    scene.cluster.issuer = IssuerKeys(cluster.url, tuple(cluster.keys))
    scene.cluster.put(client_key("shop", "k3y"))
    await scene.settle()
    _mount(scene, tmp_path)
    validators = MountedValidator(str(tmp_path / "auth.json"), str(tmp_path / "secrets"))
    chain = Authenticator((validators,), allow_unauthenticated=False)

    async def origin(token: str) -> str:
        return (await chain.authenticate(bearing(token))).origin

    account = {"sub": "system:serviceaccount:default:chatter"}
    assert await origin("k3y") == "client-key"
    assert await origin(provider.issuer.sign("p1")) == "oidc"
    assert await origin(cluster.sign("c1", "omnia://default/helper", **account)) == (
        "management-plane"
    )
    with pytest.raises(Unauthorized, match="for another audience"):
        await origin(cluster.sign("c1", "omnia://default/other", **account))


def _mount(scene: Scene, folder: Path) -> None:
    (folder / "auth.json").write_bytes(msgspec.json.encode(scene.file))
    (folder / "secrets").mkdir(exist_ok=True)
    for name, value in scene.secret.items():
        (folder / "secrets" / name).write_bytes(b64decode(value))


async def test_the_keys_of_a_provider_are_fetched(provider: Provider) -> None:
    provider.issuer.add("rsa", "RS256").add("okp", "EdDSA").add("enc", use="enc")
    provider.issuer.keys.append({"kty": "oct", "k": "c2VjcmV0", "kid": "hmac"})
    provider.issuer.keys[0]["d"] = "private by mistake"
    mapping = {"subject": "client_id", "endUser": "email", "role": "role", "claims": ["groups"]}
    scene = await Scene(oidc(provider, claimMapping=mapping)).settle()

    rules = scene.file.oidc
    assert rules
    assert (rules.issuer, rules.audience) == (provider.url, "agent")
    assert (rules.subject, rules.end_user, rules.role, rules.claims) == (
        "client_id",
        "email",
        "role",
        ("groups",),
    )
    assert [each["kid"] for each in rules.keys] == ["p1", "rsa", "okp"]
    assert "d" not in rules.keys[0]
    assert scene.condition("OIDCJWKSReady") == "True: JWKSFetched"
    assert scene.cluster.message("ExternalAuth") == "accepted: management, oidc"


async def test_new_keys_of_a_provider_are_written_when_they_are_due(provider: Provider) -> None:
    scene = await Scene(oidc(provider)).settle()
    requeue = await scene.reconcile()
    assert requeue.delay is not None
    assert FRESH_SECONDS <= requeue.delay <= 300
    assert provider.asked["/realm/keys"] == 1

    provider.issuer.keys.clear()
    provider.issuer.add("p2", "RS256")
    scene.now += requeue.delay
    await scene.settle()

    assert scene.file.oidc
    assert [each["kid"] for each in scene.file.oidc.keys] == ["p2"]


@pytest.mark.parametrize(
    ("fault", "reason", "message"),
    [
        ({"status": 500}, "DiscoveryFailed", "answered with status 500"),
        ({"configuration": {"issuer": "https://x"}}, "DiscoveryFailed", 'names "https://x", not "'),
        ({"configuration": {"jwks_uri": None}}, "DiscoveryFailed", "has no jwks_uri"),
        ({"configuration": {"jwks_uri": "file:///etc/x"}}, "DiscoveryFailed", "no jwks_uri"),
        (
            {"configuration": {"jwks_uri": "http://127.0.0.1:1/keys"}},
            "JWKSFetchFailed",
            "does not accept connections",
        ),
        ({"jwks": {"keys": []}}, "JWKSFetchFailed", "publishes no RSA, EC or OKP key"),
        ({"jwks": ["no", "object"]}, "JWKSFetchFailed", "not a JSON object"),
        ({"jwks": {"keys": "x" * 600_000}}, "JWKSFetchFailed", "larger than 512 KiB"),
    ],
)
async def test_what_is_wrong_with_a_provider_is_a_condition_and_its_last_keys_stay(
    provider: Provider, fault: dict[str, Any], reason: str, message: str
) -> None:
    scene = await Scene(oidc(provider)).settle()

    for name, value in fault.items():
        setattr(provider, name, value)
    scene.restarted()
    await scene.settle()

    assert scene.condition("OIDCJWKSReady") == f"False: {reason}"
    assert message in scene.cluster.message("OIDCJWKSReady")
    assert scene.condition("Ready") == "True: RuntimeReady"
    assert scene.file.oidc
    assert [each["kid"] for each in scene.file.oidc.keys] == ["p1"]
    assert await scene.reconcile() == Requeue.with_backoff()


async def test_keys_of_one_provider_are_not_used_for_another(provider: Provider) -> None:
    scene = await Scene(oidc(provider)).settle()

    scene.agent({"oidc": {"issuer": "http://127.0.0.1:1", "audience": "agent"}})
    await scene.settle()

    assert scene.file.oidc
    assert (scene.file.oidc.issuer, scene.file.oidc.keys) == ("http://127.0.0.1:1", ())


async def test_a_slow_provider_holds_nothing_up_and_one_question_is_enough_for_all(
    provider: Provider,
) -> None:
    provider.hold = asyncio.Event()
    issuers = Issuers(asked, patience=0.01)

    answers = await asyncio.gather(*(issuers.oidc(provider.url) for _ in range(5)))
    assert {getattr(each, "reason", "") for each in answers} == {"Pending"}

    provider.hold.set()
    async with asyncio.timeout(20):
        answer = await issuers.oidc(provider.url)
        while not isinstance(answer, IssuerKeys):
            answer = await issuers.oidc(provider.url)
    assert [each["kid"] for each in answer.keys] == ["p1"]
    assert set(provider.asked.values()) == {1}


async def test_an_issuer_whose_answer_makes_no_sense_stops_nothing() -> None:
    async def broken() -> IssuerKeys:
        raise KeyError("issuer")

    answer = await Issuers(asked).get("", broken)

    assert answer == NoKeys("Unreachable", "the keys cannot be read: KeyError")


async def test_headers_of_the_edge_are_written_as_the_facade_compares_them() -> None:
    edge = {
        "headerMapping": {"subject": "X-Auth-User", "email": "X-Auth-Email"},
        "claimsFromHeaders": {"team": "X-Team"},
    }
    scene = await Scene({"edgeTrust": edge, "management": {"enabled": False}}).settle()

    assert scene.file == AuthFile(
        edge_trust=EdgeTrust("x-auth-user", email="x-auth-email", claims={"team": "x-team"})
    )
    assert scene.cluster.message("ExternalAuth") == "accepted: edgeTrust"


async def test_a_key_of_the_user_ids_that_is_not_there_is_named() -> None:
    scene = await Scene({"userIdKeyRef": {"name": "ids", "key": "key"}}).settle()
    assert scene.file.keyed_user_ids
    assert scene.condition() == "False: SecretNotFound"

    scene.cluster.put(secret("ids", {"other": "eA=="}))
    await scene.settle()
    assert scene.condition() == "False: SecretKeyMissing"

    scene.cluster.put(secret("ids", {"key": "eA=="}))
    await scene.settle()
    assert scene.condition() == "True: DashboardOnly"
    assert scene.secret == {"user-id-key": "eA=="}


async def test_the_same_again_writes_nothing(provider: Provider) -> None:
    scene = Scene({"clientKeys": {}, **oidc(provider)})
    scene.cluster.put(client_key("key", "one"))
    await scene.settle()

    scene.now += FRESH_SECONDS
    await scene.cluster.settle(now="2027-01-01T00:00:00Z")

    assert scene.cluster.writes == []
