"""The block of a rollout about what splits the traffic."""

from typing import Annotated, ClassVar

from pydantic import Field

from omnia_operator.api.meta import LocalRef
from omnia_operator.api.model import Model, Text
from omnia_operator.api.rules import rule


class VirtualService(LocalRef):
    """An Istio VirtualService whose weights are set."""

    routes: Annotated[tuple[Text, ...], Field(min_length=1, max_length=32)]
    """Names of the routes to manage. Each has a destination with the subset `stable`, and one with
    the subset `candidate` or `canary`."""


class Istio(Model):
    """The Istio objects with the weights."""

    virtual_service: VirtualService
    """VirtualService whose weights are set."""
    destination_rule: LocalRef
    """DestinationRule whose subsets are set: those that are missing are added."""


class GatewayAPI(Model):
    """The objects of the Gateway API with the weights."""

    http_route: LocalRef
    """HTTPRoute whose weights are set: in each rule with the Service of the agent and the Service
    `<agent>-candidate`. It may be that of `facade.expose.httpRoute`, which has the agent's name."""


class TrafficRouting(Model):
    """What splits the traffic."""

    istio: Istio | None = None
    """Istio splits it, connection by connection."""
    gateway_api: GatewayAPI | None = None
    """A Gateway splits it, request by request."""

    one_splits_the_traffic: ClassVar = rule(
        "one of both splits the traffic: remove istio or gatewayAPI",
        cel="!(has(self.istio) && has(self.gatewayAPI))",
    )
