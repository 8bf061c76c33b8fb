"""What the client makes of the API server's answers."""

import json

import httpx2
import pytest
from lightkube import AsyncClient, KubeConfig

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.client import FIELD_MANAGER, PAGE, ClusterClient
from omnia_operator.cluster.errors import ClusterError, KindMissing, NotOwned
from omnia_operator.cluster.kinds import (
    CONFIG_MAP,
    LABELLED,
    POD,
    SCALED_OBJECT,
    SECRET,
    SERVICE,
    WATCHED,
    ObjectKind,
)
from omnia_operator.cluster.manifest import Addition, Manifest
from omnia_operator.cluster.store import Store
from omnia_operator.cluster.watched import WatchedCluster
from omnia_operator.labels import owned
from omnia_operator.resolve import IssuerKeys

MINE = {"uid": "mine", "name": "helper", "kind": "AgentRuntime"}
THEIRS = {"uid": "theirs", "name": "other", "kind": "Thing"}
FORMER = {"uid": "former", "name": "helper", "kind": "AgentRuntime"}

SERVER_CONFIG = KubeConfig.from_dict(
    {
        "clusters": [{"name": "c", "cluster": {"server": "http://server"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
        "current-context": "c",
    }
)

Answer = tuple[int, JsonObject | str]


class Server:
    """Answers in turn, and notes what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[httpx2.Request] = []
        transport = httpx2.MockTransport(self._answer)
        self.client = ClusterClient(
            AsyncClient(SERVER_CONFIG, field_manager=FIELD_MANAGER, transport=transport)
        )

    @property
    def methods(self) -> list[str]:
        return [
            each.headers["content-type"].partition("/")[2].partition("-")[0]
            if each.method == "PATCH"
            else each.method
            for each in self.asked
        ]

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        status, body = self.answers.pop(0)
        if isinstance(body, str):
            return httpx2.Response(status, text=body)
        return httpx2.Response(status, json=body)


def refused(status: int, message: str = "no") -> Answer:
    return status, {"kind": "Status", "code": status, "message": message}


def document(
    owner: JsonObject | None = MINE,
    kind: ObjectKind = SERVICE,
    labels: dict[str, str] | None = None,
    **more: object,
) -> JsonObject:
    metadata = {
        "name": "a",
        "namespace": "b",
        "uid": "its",
        "labels": labels or {"c": "d"},
        "ownerReferences": [owner] if owner else [],
    }
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **more}


def manifest(kind: ObjectKind = SERVICE) -> Manifest:
    return Manifest.of(document(kind=kind))


async def test_an_object_is_applied_by_the_operators_name() -> None:
    server = Server((200, document()))

    await server.client.apply(manifest(), known=True)

    (request,) = server.asked
    assert request.url.path == "/api/v1/namespaces/b/services/a"
    assert dict(request.url.params) == {"force": "true", "fieldManager": "omnia-operator"}
    assert request.headers["content-type"] == "application/apply-patch+yaml"
    assert json.loads(request.content) == manifest().body


async def test_an_object_that_is_not_known_is_not_taken_by_force() -> None:
    server = Server((201, document()))

    await server.client.apply(manifest(), known=False)

    assert "force" not in server.asked[0].url.params


@pytest.mark.parametrize(
    ("owner", "transient", "words"),
    [
        (THEIRS, False, "does not belong to this agent"),
        (FORMER, True, "is still being deleted"),
        (None, False, "does not belong to this agent"),
    ],
)
async def test_somebody_elses_object_is_left_alone(
    owner: JsonObject | None, transient: bool, words: str
) -> None:
    server = Server(refused(409), (200, document(owner)))

    with pytest.raises(NotOwned, match=words) as refusal:
        await server.client.apply(manifest(), known=False)

    assert refusal.value.transient is transient
    assert server.methods == ["apply", "GET"]


@pytest.mark.parametrize("kind", sorted(LABELLED - {POD}, key=str), ids=str)
@pytest.mark.parametrize("owner", [THEIRS, None], ids=["owned", "ownerless"])
async def test_an_object_that_the_watches_hide_is_read_before_it_is_applied(
    kind: ObjectKind, owner: JsonObject | None
) -> None:
    # An apply would merge into it, and make the agent its owner: no field of the two differs.
    server = Server((200, document(owner, kind)))

    with pytest.raises(NotOwned, match="does not belong to this agent"):
        await server.client.apply(manifest(kind), known=False)

    assert server.methods == ["GET"]


@pytest.mark.parametrize("live", [document(), document(None, labels=owned("helper"))])
async def test_an_object_of_the_agent_that_was_not_seen_yet_is_applied_after_all(
    live: JsonObject,
) -> None:
    server = Server(refused(409), (200, live), (200, document()))

    await server.client.apply(manifest(), known=False)

    assert server.methods == ["apply", "GET", "apply"]
    assert server.asked[2].url.params["force"] == "true"


async def test_an_object_that_is_gone_again_after_a_conflict_is_tried_again() -> None:
    server = Server(refused(409), refused(404))

    with pytest.raises(ClusterError) as refusal:
        await server.client.apply(manifest(), known=False)

    assert refusal.value.transient


async def test_an_entry_of_another_that_contradicts_ours_is_removed() -> None:
    server = Server(refused(422), (200, document()), (200, document()))

    await server.client.apply(manifest(), known=True)

    assert server.methods == ["apply", "merge", "apply"]


@pytest.mark.parametrize(
    ("status", "transient"),
    [(400, False), (401, True), (403, False), (409, True), (429, True), (500, True), (503, True)],
)
async def test_a_refusal_says_whether_it_may_pass(status: int, transient: bool) -> None:
    server = Server(refused(status, "the reason"))

    with pytest.raises(ClusterError, match="the reason") as refusal:
        await server.client.apply(manifest(), known=True)

    assert refusal.value.transient is transient


async def test_a_server_that_does_not_answer_may_answer_later() -> None:
    def broken(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    transport = httpx2.MockTransport(broken)
    client = ClusterClient(AsyncClient(SERVER_CONFIG, transport=transport))

    with pytest.raises(ClusterError, match="does not answer") as refusal:
        await client.get(SERVICE, ("b", "a"))

    assert refusal.value.transient


async def test_a_kind_that_is_not_installed_is_named() -> None:
    server = Server(*[refused(404)] * 2)

    with pytest.raises(KindMissing, match="no kind ScaledObject"):
        await server.client.apply(manifest(SCALED_OBJECT), known=False)


async def test_a_group_that_the_api_server_does_not_know_is_a_kind_that_is_not_installed() -> None:
    # It says so in plain text, not as a Kubernetes Status.
    server = Server(*[(404, "404 page not found\n")] * 4)

    assert await server.client.find_all(SCALED_OBJECT, None, {}) is None
    assert await server.client.get(SCALED_OBJECT, ("b", "a")) is None
    with pytest.raises(KindMissing, match="no kind ScaledObject"):
        await server.client.apply(manifest(SCALED_OBJECT), known=False)


async def test_a_namespace_that_is_gone_is_named() -> None:
    server = Server(refused(404))

    with pytest.raises(ClusterError, match='there is no namespace "b"'):
        await server.client.apply(manifest(), known=False)


async def test_a_secret_is_read_without_its_values() -> None:
    server = Server((200, document(kind=SECRET, data={"key": "c2VjcmV0"})))

    found = await server.client.get(SECRET, ("b", "a"))

    assert found is not None
    assert set(found["data"]) == {"key"}
    assert "c2VjcmV0" not in str(found)


async def test_who_signs_the_tokens_of_service_accounts_is_read_from_two_paths() -> None:
    server = Server((200, {"issuer": "https://me"}), (200, {"keys": [{"kid": "one"}]}))

    assert await server.client.service_account_issuer() == IssuerKeys(
        "https://me", ({"kid": "one"},)
    )
    assert [each.url.path for each in server.asked] == [
        "/.well-known/openid-configuration",
        "/openid/v1/jwks",
    ]


@pytest.mark.parametrize(
    ("answer", "served"),
    [
        ((200, {"resources": [{"name": "scaledjobs"}, {"name": "scaledobjects"}]}), True),
        ((200, {"resources": [{"name": "scaledjobs"}]}), False),
        (refused(404), False),
        ((404, "404 page not found"), False),
    ],
)
async def test_a_cluster_says_whether_it_has_a_kind(answer: Answer, *, served: bool) -> None:
    server = Server(answer)

    assert await server.client.serves(SCALED_OBJECT) is served
    assert server.asked[0].url.path == "/apis/keda.sh/v1alpha1"


async def test_a_kind_that_is_served_is_asked_for_until_it_is_there_and_again_when_it_is_gone() -> (
    None
):
    served = (200, {"resources": [{"name": "scaledobjects"}]})
    server = Server(refused(404), served, refused(404), served)
    cluster = WatchedCluster(server.client, Store())

    assert [await cluster.serves(SCALED_OBJECT) for _ in range(3)] == [False, True, True]
    with pytest.raises(KindMissing):
        await cluster.apply(manifest(SCALED_OBJECT), known=True)
    assert await cluster.serves(SCALED_OBJECT)
    assert server.answers == []


async def test_a_cluster_that_does_not_say_what_it_has_is_an_error() -> None:
    with pytest.raises(ClusterError):
        await Server(refused(500)).client.serves(SCALED_OBJECT)


async def test_keys_of_service_accounts_that_may_not_be_read_are_an_error() -> None:
    with pytest.raises(ClusterError, match="no"):
        await Server(refused(403)).client.service_account_issuer()


async def test_what_is_not_there_is_no_error() -> None:
    key = ("b", "a")
    server = Server(*[refused(404)] * 6)

    assert await server.client.get(SERVICE, key) is None
    assert await server.client.secret_values(key) == {}
    assert await server.client.annotate(POD, key, {"x": "y"}) is None
    assert await server.client.put_status(SERVICE, key, {}) is None
    await server.client.delete(SERVICE, key, "its")
    assert await server.client.find_all(SCALED_OBJECT, None, {}) is None


ADDED = [
    Addition("spec.ports[x]", "/spec/ports/1", {"name": "x"}),
    Addition("spec.selector.a/b", "/spec/selector/a~1b"),
    Addition("spec.ports[y]", "/spec/ports/10", {"name": "y"}),
]


async def test_what_others_added_is_removed_from_the_end_if_it_is_still_there() -> None:
    server = Server((200, document()))

    assert await server.client.remove_additions(SERVICE, ("b", "a"), ADDED) == document()

    (request,) = server.asked
    assert request.headers["content-type"] == "application/json-patch+json"
    assert json.loads(request.content) == [
        {"op": "remove", "path": "/spec/selector/a~1b"},
        {"op": "test", "path": "/spec/ports/10", "value": {"name": "y"}},
        {"op": "remove", "path": "/spec/ports/10"},
        {"op": "test", "path": "/spec/ports/1", "value": {"name": "x"}},
        {"op": "remove", "path": "/spec/ports/1"},
    ]


@pytest.mark.parametrize("status", [422, 404])
async def test_an_object_that_was_changed_meanwhile_or_deleted_keeps_what_it_has(
    status: int,
) -> None:
    server = Server(refused(status))

    assert await server.client.remove_additions(SERVICE, ("b", "a"), ADDED) is None


async def test_additions_that_may_not_be_removed_are_an_error() -> None:
    server = Server(refused(403))

    with pytest.raises(ClusterError):
        await server.client.remove_additions(SERVICE, ("b", "a"), ADDED)


async def test_a_users_object_is_edited_by_another_manager_unless_it_was_changed() -> None:
    operations = [
        {"op": "test", "path": "/spec/a", "value": 1},
        {"op": "replace", "path": "/spec/a", "value": 2},
    ]
    server = Server((200, document()), refused(422), refused(403))

    assert await server.client.edit(SERVICE, ("b", "a"), operations) == document()
    for transient in (True, False):
        with pytest.raises(ClusterError) as error:
            await server.client.edit(SERVICE, ("b", "a"), operations)
        assert error.value.transient is transient

    first = server.asked[0]
    assert json.loads(first.content) == operations
    assert first.headers["content-type"] == "application/json-patch+json"
    assert first.url.params["fieldManager"] == "omnia-rollout"


@pytest.mark.parametrize(("uid", "methods"), [("its", ["GET", "DELETE"]), ("another", ["GET"])])
async def test_only_the_object_that_was_meant_is_deleted(uid: str, methods: list[str]) -> None:
    server = Server((200, document()), (200, {}))

    await server.client.delete(SERVICE, ("b", "a"), uid)

    assert server.methods == methods


async def test_an_event_that_was_told_already_is_no_error() -> None:
    server = Server(refused(409))

    await server.client.emit({"metadata": {"name": "e", "namespace": "b"}})

    assert server.methods == ["POST"]


async def test_an_event_in_a_namespace_that_is_being_deleted_is_no_error() -> None:
    """The answer of Kubernetes 1.34 to a creation in such a namespace."""
    cause = {
        "reason": "NamespaceTerminating",
        "message": "namespace b is being terminated",
        "field": "metadata.namespace",
    }
    body: JsonObject = {
        "kind": "Status",
        "code": 403,
        "reason": "Forbidden",
        "message": 'events "e" is forbidden: unable to create new content in namespace b because it'
        " is being terminated",
        "details": {"name": "e", "kind": "events", "causes": [cause]},
    }
    server = Server((403, body), refused(403))
    event: JsonObject = {"metadata": {"name": "e", "namespace": "b"}}

    await server.client.emit(event)
    with pytest.raises(ClusterError):
        await server.client.emit(event)


async def test_a_listing_comes_with_its_version() -> None:
    items = [{"metadata": {"name": "a", "namespace": "b"}}]
    listing = {"kind": "ConfigMapList", "metadata": {"resourceVersion": "7"}, "items": items}
    server = Server((200, listing))

    found, version = await server.client.find_all(CONFIG_MAP, None, {"x": "y"}) or ([], 0)

    assert version == 7
    assert [(each["kind"], each["metadata"]["name"]) for each in found] == [("ConfigMap", "a")]
    assert server.asked[0].url.path == "/api/v1/configmaps"
    assert server.asked[0].url.params["labelSelector"] == "x=y"


@pytest.mark.parametrize("first", ["watched", "listed", "read"])
async def test_a_secret_is_the_same_from_a_listing_from_a_watch_and_when_it_is_read(
    first: str,
) -> None:
    # Else a listing would replace the pods that have its value in their environment.
    secret = document(None, SECRET)
    secret["metadata"]["resourceVersion"] = "7"
    secret["data"] = {"api-key": "c2VjcmV0"}
    bare = {key: value for key, value in secret.items() if key not in ("apiVersion", "kind")}
    server = Server((200, {"items": [bare], "metadata": {"resourceVersion": "9"}}), (200, secret))
    found = await server.client.find_all(SECRET, None, {})
    assert found
    read = await server.client.get(SECRET, ("default", secret["metadata"]["name"]))
    assert read
    come = {"watched": secret, "listed": found[0][0], "read": read}
    store = Store()
    assert store.put(SECRET, come[first])
    assert [store.put(SECRET, each) for each in come.values()] == [False, False, False]


@pytest.mark.parametrize("kind", WATCHED, ids=lambda kind: kind.name)
async def test_an_object_that_did_not_change_is_no_news_in_a_listing(kind: ObjectKind) -> None:
    watched = document(None, kind, labels={"a": "b"}, data={"key": "dmFsdWU="}, spec={"x": 1})
    watched["metadata"] |= {"resourceVersion": "7", "managedFields": [{"manager": "kubectl"}]}
    bare = {key: value for key, value in watched.items() if key not in ("apiVersion", "kind")}
    server = Server((200, {"items": [bare], "metadata": {"resourceVersion": "9"}}))
    found = await server.client.find_all(kind, None, {})
    assert found
    store = Store()
    assert store.put(kind, watched)
    assert not store.put(kind, found[0][0])
    assert not store.put(kind, watched)


async def test_a_long_listing_comes_in_pages_and_without_who_wrote_which_field() -> None:
    def page(name: str, **more: str) -> tuple[int, JsonObject]:
        metadata = {"name": name, "namespace": "b", "resourceVersion": "5", "managedFields": [{}]}
        return 200, {
            "metadata": {"resourceVersion": "7", **more},
            "items": [{"metadata": metadata}],
        }

    server = Server(page("a", **{"continue": "there"}), page("c"))

    found, version = await server.client.find_all(CONFIG_MAP, None, {}) or ([], 0)

    assert version == 7
    kept = {"namespace": "b", "resourceVersion": "5"}
    assert [each["metadata"] for each in found] == [{**kept, "name": name} for name in "ac"]
    asked = [(each.url.params["limit"], each.url.params.get("continue")) for each in server.asked]
    assert asked == [(str(PAGE), None), (str(PAGE), "there")]


@pytest.mark.parametrize(("version", "method"), [("", "POST"), ("4", "PUT")])
async def test_a_lease_is_replaced_only_as_it_was_read(version: str, method: str) -> None:
    metadata = {"name": "l", "namespace": "b"} | ({"resourceVersion": version} if version else {})
    server = Server((200, {"metadata": metadata, "spec": {}}))

    await server.client.put_lease({"metadata": metadata, "spec": {}})

    assert server.methods == [method]
    assert json.loads(server.asked[0].content)["metadata"] == metadata
