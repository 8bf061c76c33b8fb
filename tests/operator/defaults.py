"""What Kubernetes fills in by itself in the objects of an agent."""

from typing import Any

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import DEPLOYMENT, HPA, SCALED_OBJECT, SERVICE, ObjectKind


def pod(live: JsonObject) -> Any:
    return live["spec"]["template"]["spec"]


def container(live: JsonObject, index: int = 0) -> Any:
    return pod(live)["containers"][index]


def spec(live: JsonObject) -> Any:
    return live["spec"]


DEFAULT_PROBE = {"successThreshold": 1, "timeoutSeconds": 1, "periodSeconds": 10}


def defaulted(kind: ObjectKind, live: JsonObject) -> None:
    """Fill in what Kubernetes does by itself, as version 1.34 shows it."""
    if kind == SERVICE:
        spec(live).update(
            clusterIP="10.96.12.7",
            clusterIPs=["10.96.12.7"],
            internalTrafficPolicy="Cluster",
            ipFamilies=["IPv4"],
            ipFamilyPolicy="SingleStack",
            sessionAffinity="None",
        )
    elif kind == HPA:
        spec(live)["behavior"]["scaleDown"]["selectPolicy"] = "Max"
        live["status"] = {"currentReplicas": 2, "desiredReplicas": 2, "currentMetrics": None}
    elif kind == SCALED_OBJECT:
        live["metadata"]["finalizers"] = ["finalizer.keda.sh"]
        live["metadata"]["labels"]["scaledobject.keda.sh/name"] = "helper"
    elif kind == DEPLOYMENT:
        _deployment_defaults(live)


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
    for each in pod(live)["containers"]:
        _container_defaults(each)


def _container_defaults(each: JsonObject) -> None:
    each["terminationMessagePath"] = "/dev/termination-log"
    each.setdefault("imagePullPolicy", "IfNotPresent")
    for variable in each["env"]:
        reference = variable.get("valueFrom", {}).get("fieldRef")
        if reference is not None:
            reference["apiVersion"] = "v1"
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        each[name] = {**DEFAULT_PROBE, **each[name]}
        each[name]["httpGet"]["scheme"] = "HTTP"
