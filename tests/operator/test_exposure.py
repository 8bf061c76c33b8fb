"""An agent is exposed by its Service, an Ingress or an HTTPRoute."""

import copy
from typing import Any

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    HTTP_ROUTE,
    INGRESS,
    SERVICE,
    ObjectKind,
)
from omnia_operator.plan.exposure import public_url
from omnia_operator.scheduling import Requeue
from tests.operator import objects, world
from tests.operator.cluster import FakeCluster, everything, settled
from tests.operator.defaults import defaulted

HOST = "agent.example.com"
TLS = {"secretName": "agent-tls"}
GATEWAY = {"parentRefs": [{"name": "public", "namespace": "gateways"}]}


def exposed(**way: Any) -> JsonObject:
    return {"facade": {"expose": {"hostnames": [HOST], **way}}}


def ingress(**fields: Any) -> JsonObject:
    return exposed(ingress={"className": "nginx", **fields})


ROUTE = exposed(httpRoute=GATEWAY)


@pytest.mark.parametrize(
    ("expose", "function", "url"),
    [
        ({"ingress": {}}, False, f"ws://{HOST}/ws"),
        ({"ingress": {"tls": TLS}}, False, f"wss://{HOST}/ws"),
        ({"ingress": {}, "scheme": "https"}, False, f"wss://{HOST}/ws"),
        ({"ingress": {"tls": TLS}, "scheme": "http"}, False, f"ws://{HOST}/ws"),
        ({"httpRoute": GATEWAY}, False, f"wss://{HOST}/ws"),
        ({"httpRoute": GATEWAY, "scheme": "http"}, False, f"ws://{HOST}/ws"),
        ({"httpRoute": GATEWAY}, True, f"https://{HOST}/functions/helper"),
        ({"ingress": {}}, True, f"http://{HOST}/functions/helper"),
    ],
)
def test_the_address_is_the_one_that_clients_use(
    expose: JsonObject, function: bool, url: str
) -> None:
    made = objects.function if function else objects.agent
    assert public_url(world.agent(made(exposed(**expose)))) == url
    assert public_url(world.agent(made())) is None


async def test_an_ingress_leads_to_the_service_and_is_told() -> None:
    cluster = await settled(*everything(ingress(tls=TLS)))

    made = cluster.live(INGRESS)["spec"]
    assert made["ingressClassName"] == "nginx"
    assert made["tls"] == [{"hosts": [HOST], "secretName": "agent-tls"}]
    (rule,) = made["rules"]
    (path,) = rule["http"]["paths"]
    assert (rule["host"], path["path"], path["pathType"]) == (HOST, "/", "Prefix")
    (port,) = cluster.live(SERVICE)["spec"]["ports"]
    assert path["backend"]["service"] == {"name": "helper", "port": {"name": port["name"]}}
    assert cluster.status()["url"] == f"wss://{HOST}/ws"
    assert cluster.conditions()["ExposeReady"] == "True: IngressCreated"
    assert "published no address" in cluster.message("ExposeReady")

    published = {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}, {"hostname": "lb.example"}]}}
    cluster.live(INGRESS)["status"] = published
    await cluster.settle()
    assert cluster.message("ExposeReady").endswith("203.0.113.7, lb.example")

    cluster.put(objects.agent())
    await cluster.settle()
    assert cluster.names(INGRESS) == []
    assert "url" not in cluster.status()
    assert "ExposeReady" not in cluster.conditions()


async def test_another_way_replaces_the_former_one() -> None:
    cluster = await settled(*everything(ingress()))

    cluster.put(objects.agent(ROUTE))
    await cluster.settle()

    assert (cluster.names(INGRESS), cluster.names(HTTP_ROUTE)) == ([], ["helper"])


def answer(accepted: str, resolved: str = "True", **more: Any) -> JsonObject:
    conditions = [
        {"type": "Accepted", "status": accepted, "reason": "r", "message": "no listener", **more},
        {"type": "ResolvedRefs", "status": resolved, "reason": "BackendNotFound"},
    ]
    return {"parents": [{"parentRef": GATEWAY["parentRefs"][0], "conditions": conditions}]}


@pytest.mark.parametrize(
    ("status", "condition", "said"),
    [
        (None, "False: RoutePending", 'Gateway "public" has not answered yet'),
        ({"parents": []}, "False: RoutePending", "has not answered yet"),
        (answer("Unknown"), "False: RoutePending", "has not answered yet"),
        (answer("True", observedGeneration=-1), "False: RoutePending", "has not answered yet"),
        (answer("True"), "True: RouteAccepted", 'accepted by Gateway "public"'),
        (answer("False"), "False: RouteRefused", 'Gateway "public": no listener'),
        (answer("True", "False"), "False: RouteRefused", 'Gateway "public": BackendNotFound'),
    ],
)
async def test_a_route_is_as_its_gateway_says(
    status: JsonObject | None, condition: str, said: str
) -> None:
    cluster = await settled(*everything(ROUTE))
    if status is not None:
        cluster.live(HTTP_ROUTE)["status"] = status

    await cluster.settle()

    assert cluster.conditions()["ExposeReady"] == condition
    assert said in cluster.message("ExposeReady")
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"


@pytest.mark.parametrize(
    ("document", "protocol"),
    [
        (objects.agent(ROUTE), "kubernetes.io/ws"),
        (objects.agent(ingress()), "http"),
        (objects.function(ROUTE), "http"),
    ],
    ids=["agent", "by an Ingress", "function"],
)
async def test_a_gateway_is_told_that_an_agent_speaks_websocket(
    document: JsonObject, protocol: str
) -> None:
    cluster = await settled(document, *everything()[1:])
    (port,) = cluster.live(SERVICE)["spec"]["ports"]
    assert port["appProtocol"] == protocol


async def test_without_the_gateway_api_the_agent_runs_and_says_so_until_it_is_installed() -> None:
    cluster = await settled(*everything(ROUTE), gateways=False)

    assert cluster.names(HTTP_ROUTE) == []
    assert cluster.conditions()["ExposeReady"] == "False: GatewayAPINotInstalled"
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"
    assert ("helper", "GatewayAPINotInstalled") in cluster.events
    assert await cluster.reconcile(AGENT_RUNTIME) == Requeue.with_backoff()

    cluster.lacks.clear()
    await cluster.reconcile(AGENT_RUNTIME)
    assert cluster.names(HTTP_ROUTE) == ["helper"]
    assert cluster.conditions()["ExposeReady"] == "False: RoutePending"
    # The operator has no watch of a kind that came after it had started.
    assert await cluster.reconcile(AGENT_RUNTIME) == Requeue.after(15.0)


async def test_a_route_never_leads_to_the_service_of_somebody_else() -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "helper"},
        "spec": {"selector": {"app": "theirs"}},
    }
    cluster = await settled(*everything(ingress()), theirs)

    assert cluster.names(INGRESS) == []
    assert cluster.conditions()["ServiceReady"] == "False: NotOwned"
    assert cluster.conditions()["ExposeReady"] == "False: Error"


EDITS = [
    ("default-backend", INGRESS, lambda spec: spec.update(defaultBackend={"service": {}})),
    ("tls", INGRESS, lambda spec: spec.update(tls=[{"secretName": "theirs"}])),
    ("rule", INGRESS, lambda spec: spec["rules"].append({"host": "other.example.com"})),
    ("parent", HTTP_ROUTE, lambda spec: spec["parentRefs"].append({"name": "other"})),
    ("listener", HTTP_ROUTE, lambda spec: spec["parentRefs"][0].update(sectionName="plain")),
    ("filter", HTTP_ROUTE, lambda spec: spec["rules"][0].update(filters=[{"type": "X"}])),
    (
        "backend",
        HTTP_ROUTE,
        lambda spec: spec["rules"][0]["backendRefs"].append({"name": "other"}),
    ),
]


@pytest.mark.parametrize(
    ("kind", "edit"), [each[1:] for each in EDITS], ids=[each[0] for each in EDITS]
)
async def test_what_others_add_to_a_route_is_removed_and_told(kind: ObjectKind, edit: Any) -> None:
    cluster = await settled(*everything(ingress() if kind == INGRESS else ROUTE))
    defaulted(kind, cluster.live(kind))
    await cluster.settle()
    assert cluster.writes == []
    before = copy.deepcopy(cluster.live(kind)["spec"])

    edit(cluster.live(kind)["spec"])
    await cluster.settle()

    assert cluster.live(kind)["spec"] == before
    assert ("helper", "DriftCorrected") in cluster.events


@pytest.mark.parametrize("kind", [INGRESS, HTTP_ROUTE], ids=str)
async def test_a_route_that_is_deleted_comes_back(kind: ObjectKind) -> None:
    cluster: FakeCluster = await settled(*everything(ingress() if kind == INGRESS else ROUTE))
    cluster.remove(kind, "helper")

    await cluster.settle()

    assert cluster.names(kind) == ["helper"]
