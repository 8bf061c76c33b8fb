"""How clients reach an agent: its Service, and an Ingress or HTTPRoute."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from omnia_operator.api.model import (
    AbsolutePath,
    Label,
    Model,
    ObjectName,
    Port,
    Text,
)
from omnia_operator.api.rules import rule

ROUTE_DURATION = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
RouteDuration = Annotated[str, Field(max_length=32, pattern=ROUTE_DURATION)]


class ServiceType(StrEnum):
    """Where a Service can be reached from."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class TrafficPolicy(StrEnum):
    """Which pods receive what comes from outside."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class ServiceSpec(Model):
    """The Service of an agent."""

    type: ServiceType = ServiceType.CLUSTER_IP
    """`ClusterIP` is reached inside the cluster, `NodePort` on every node, `LoadBalancer` from
    outside."""
    annotations: dict[str, str] = Field(default_factory=dict, max_length=64)
    """Annotations of the Service, such as those of a load balancer."""
    load_balancer_class: Text | None = None
    """Implementation of the load balancer; without it, that of the cluster."""
    load_balancer_source_ranges: tuple[Text, ...] = Field(default=(), max_length=64)
    """Blocks of addresses that may connect, such as `203.0.113.0/24`; without them, all."""
    external_traffic_policy: TrafficPolicy | None = None
    """`Local` keeps the address of the client and reaches the pods of the node only."""

    load_balancers_have_balancer_settings: ClassVar = rule(
        "loadBalancerClass and loadBalancerSourceRanges belong to the type LoadBalancer: remove"
        " them, or set type: LoadBalancer",
        cel="self.type == 'LoadBalancer' ||"
        " (!has(self.loadBalancerClass) && (!has(self.loadBalancerSourceRanges) ||"
        " size(self.loadBalancerSourceRanges) == 0))",
        at="type",
    )

    traffic_from_outside_has_a_policy: ClassVar = rule(
        "externalTrafficPolicy belongs to the types NodePort and LoadBalancer: remove it, or set"
        " one of them",
        cel="self.type != 'ClusterIP' || !has(self.externalTrafficPolicy)",
        at="type",
    )


class IngressTLS(Model):
    """Encryption of an Ingress."""

    secret_name: ObjectName
    """Secret with the certificate and its key, in the namespace of the agent."""


class IngressSpec(Model):
    """An Ingress of `networking.k8s.io/v1`."""

    class_name: ObjectName | None = None
    """IngressClass; without it, the default one of the cluster."""
    tls: IngressTLS | None = None
    """Encryption, where the Ingress ends it."""


class ParentRef(Model):
    """A Gateway, or one of its listeners."""

    name: ObjectName
    """Name of the Gateway."""
    namespace: Label | None = None
    """Namespace of the Gateway; without it, that of the agent. The Gateway must allow routes from
    the agent's namespace."""
    section_name: ObjectName | None = None
    """Name of one listener; without it, all that match."""
    port: Port | None = None
    """Port of the listeners; without it, any."""


class RouteTimeouts(Model):
    """Time limits of a route; `0s` is none."""

    request: RouteDuration | None = None
    """From the request of a client to the end of its response."""
    backend_request: RouteDuration | None = None
    """For one request of the Gateway to the agent."""


class HTTPRouteSpec(Model):
    """An HTTPRoute of `gateway.networking.k8s.io/v1`."""

    parent_refs: tuple[ParentRef, ...] = Field(min_length=1, max_length=16)
    """The Gateways that serve the agent."""
    timeouts: RouteTimeouts | None = None
    """Time limits; without them, those of the Gateway."""


class URLScheme(StrEnum):
    """Scheme of an address."""

    HTTP = "http"
    HTTPS = "https"


class Expose(Model):
    """Exposure of the agent outside the cluster. Clients still need a credential."""

    hostnames: tuple[ObjectName, ...] = Field(min_length=1, max_length=16)
    """Names of hosts by which clients reach the agent. The first one is in `status.url`."""
    path: AbsolutePath = "/"
    """Paths that are served: this one and those below it. The agent sees them unchanged, so `/ws`
    serves conversations only, and `/functions/NAME` one function."""
    annotations: dict[str, str] = Field(default_factory=dict, max_length=64)
    """Annotations of the Ingress or HTTPRoute, which many controllers read their settings from."""
    scheme: URLScheme | None = None
    """Scheme of `status.url`. Without it, `https` unless an Ingress has no `tls`; set it where
    something else ends the encryption."""
    ingress: IngressSpec | None = None
    """Expose by an Ingress. Set this or `httpRoute`."""
    http_route: HTTPRouteSpec | None = None
    """Expose by an HTTPRoute of the Gateway API. Set this or `ingress`."""

    exposed_in_one_way: ClassVar = rule(
        "an agent is exposed in one way: set exactly one of ingress and httpRoute",
        cel="has(self.ingress) != has(self.httpRoute)",
    )
