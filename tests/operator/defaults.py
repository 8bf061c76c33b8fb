"""What Kubernetes fills in by itself in the objects of an agent."""

from typing import Any

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import (
    DEPLOYMENT,
    HPA,
    HTTP_ROUTE,
    INGRESS,
    SCALED_OBJECT,
    SERVICE,
    ObjectKind,
)


def pod(live: JsonObject) -> Any:
    return live["spec"]["template"]["spec"]


def container(live: JsonObject, index: int = 0) -> Any:
    return pod(live)["containers"][index]


def spec(live: JsonObject) -> Any:
    return live["spec"]


DEFAULT_PROBE = {"successThreshold": 1, "timeoutSeconds": 1, "periodSeconds": 10}


def defaulted(kind: ObjectKind, live: JsonObject) -> None:
    """Fill in what Kubernetes does by itself, as version 1.34 shows it."""
    if kind in _DEFAULTS:
        _DEFAULTS[kind](live)


def _service_defaults(live: JsonObject) -> None:
    spec(live).update(
        clusterIP="10.96.12.7",
        clusterIPs=["10.96.12.7"],
        internalTrafficPolicy="Cluster",
        ipFamilies=["IPv4"],
        ipFamilyPolicy="SingleStack",
        sessionAffinity="None",
    )
    if spec(live)["type"] != "ClusterIP":
        spec(live).setdefault("externalTrafficPolicy", "Cluster")
        spec(live)["ports"][0]["nodePort"] = 31234
    if spec(live)["type"] == "LoadBalancer":
        spec(live)["allocateLoadBalancerNodePorts"] = True
        # A webhook of the AWS Load Balancer Controller does this.
        spec(live).setdefault("loadBalancerClass", "service.k8s.aws/nlb")
        live["metadata"]["finalizers"] = ["service.kubernetes.io/load-balancer-cleanup"]


def _hpa_defaults(live: JsonObject) -> None:
    spec(live)["behavior"]["scaleDown"]["selectPolicy"] = "Max"
    live["status"] = {"currentReplicas": 2, "desiredReplicas": 2, "currentMetrics": None}


def _scaled_object_defaults(live: JsonObject) -> None:
    live["metadata"]["finalizers"] = ["finalizer.keda.sh"]
    live["metadata"]["labels"]["scaledobject.keda.sh/name"] = "helper"


def _ingress_defaults(live: JsonObject) -> None:
    spec(live).setdefault("ingressClassName", "default")
    live["status"] = {"loadBalancer": {}}


def _route_defaults(live: JsonObject) -> None:
    for parent in spec(live)["parentRefs"]:
        parent.update(group="gateway.networking.k8s.io", kind="Gateway")
    for backend in spec(live)["rules"][0]["backendRefs"]:
        backend.update(group="", kind="Service", weight=1)


def _deployment_defaults(live: JsonObject) -> None:
    spec(live).setdefault("replicas", 1)
    spec(live)["progressDeadlineSeconds"] = 600
    live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1"
    spec(live)["template"]["metadata"]["creationTimestamp"] = None
    pod(live).update(
        dnsPolicy="ClusterFirst",
        restartPolicy="Always",
        schedulerName="default-scheduler",
        serviceAccount=pod(live)["serviceAccountName"],
    )
    for volume in pod(live)["volumes"]:
        for source in ("configMap", "secret"):
            if source in volume:
                volume[source]["defaultMode"] = 420
        if "emptyDir" in volume:
            volume["emptyDir"] = {}
    for each in (*pod(live)["containers"], *pod(live).get("initContainers", ())):
        _container_defaults(each)


def _container_defaults(each: JsonObject) -> None:
    each["terminationMessagePath"] = "/dev/termination-log"
    each.setdefault("imagePullPolicy", "IfNotPresent")
    for variable in each.get("env", ()):
        reference = variable.get("valueFrom", {}).get("fieldRef")
        if reference is not None:
            reference["apiVersion"] = "v1"
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        if name in each:
            each[name] = {**DEFAULT_PROBE, **each[name]}
            each[name].get("httpGet", {})["scheme"] = "HTTP"


_DEFAULTS = {
    SERVICE: _service_defaults,
    HPA: _hpa_defaults,
    SCALED_OBJECT: _scaled_object_defaults,
    INGRESS: _ingress_defaults,
    HTTP_ROUTE: _route_defaults,
    DEPLOYMENT: _deployment_defaults,
}
