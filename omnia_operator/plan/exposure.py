"""Plans how clients reach an agent: its Service, and an Ingress or HTTPRoute."""

from dataclasses import dataclass

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Mode
from omnia_operator.api.agentruntime import AgentRuntime, AgentRuntimeSpec
from omnia_operator.api.expose import Expose, IngressSpec, ServiceType, URLScheme


@dataclass(frozen=True)
class ServicePlan:
    """The Service of an agent."""

    type: str = ServiceType.CLUSTER_IP.value
    annotations: JsonObject | None = None
    load_balancer_class: str | None = None
    load_balancer_source_ranges: tuple[str, ...] = ()
    external_traffic_policy: str | None = None
    app_protocol: str = "http"


@dataclass(frozen=True)
class IngressPlan:
    """An Ingress."""

    hostnames: tuple[str, ...]
    path: str
    annotations: JsonObject | None = None
    class_name: str | None = None
    tls: tuple[JsonObject, ...] = ()


@dataclass(frozen=True)
class RoutePlan:
    """An HTTPRoute of the Gateway API."""

    hostnames: tuple[str, ...]
    path: str
    parents: tuple[JsonObject, ...]
    annotations: JsonObject | None = None
    timeouts: JsonObject | None = None


def service_plan(spec: AgentRuntimeSpec) -> ServicePlan:
    """Return the plan of the Service."""
    service, expose = spec.facade.service, spec.facade.expose
    policy = service.external_traffic_policy
    # Gateways let WebSockets through at the latest when the Service says so (GEP-1911).
    routed = expose is not None and expose.http_route is not None and spec.mode is Mode.AGENT
    return ServicePlan(
        type=service.type.value,
        annotations=dict(service.annotations) or None,
        load_balancer_class=service.load_balancer_class,
        load_balancer_source_ranges=service.load_balancer_source_ranges,
        external_traffic_policy=None if policy is None else policy.value,
        app_protocol="kubernetes.io/ws" if routed else "http",
    )


def exposure_plan(expose: Expose | None) -> IngressPlan | RoutePlan | None:
    """Return the plan of the Ingress or HTTPRoute; None if the agent is not exposed."""
    if expose is None:
        return None
    annotations = dict(expose.annotations) or None
    if expose.http_route is not None:
        route = expose.http_route.model_dump(mode="json", by_alias=True, exclude_none=True)
        return RoutePlan(
            hostnames=expose.hostnames,
            path=expose.path,
            parents=tuple(route["parentRefs"]),
            annotations=annotations,
            timeouts=route.get("timeouts") or None,
        )
    ingress = expose.ingress or IngressSpec()
    tls = ingress.tls
    return IngressPlan(
        hostnames=expose.hostnames,
        path=expose.path,
        annotations=annotations,
        class_name=ingress.class_name,
        tls=({"hosts": list(expose.hostnames), "secretName": tls.secret_name},) if tls else (),
    )


def public_url(agent: AgentRuntime) -> str | None:
    """Return the address for clients outside the cluster; None if the agent is not exposed."""
    base = exposed_url(agent)
    if base is None:
        return None
    if agent.spec.mode is Mode.FUNCTION:
        return f"{base}/functions/{agent.metadata.name}"
    return f"ws{base.removeprefix('http')}/ws"


def exposed_url(agent: AgentRuntime) -> str | None:
    """Return scheme and host for clients outside the cluster; None if it is not exposed."""
    expose = agent.spec.facade.expose
    if expose is None:
        return None
    plain = expose.ingress is not None and expose.ingress.tls is None
    encrypted = not plain if expose.scheme is None else expose.scheme is URLScheme.HTTPS
    return f"http{'s' if encrypted else ''}://{expose.hostnames[0]}"
