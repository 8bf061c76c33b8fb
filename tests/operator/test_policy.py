"""What AgentRuntimes may ask of their pods."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.findings import dotted
from omnia_operator.cluster.kinds import DEPLOYMENT
from omnia_operator.manifests import render
from omnia_operator.plan import Settings, plan
from omnia_operator.policy import Policy, refusals
from tests.operator import objects, world
from tests.operator.cluster import SETTINGS, everything, settled

TOKEN = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
OPEN = "OMNIA_FACADE_ALLOW_UNAUTHENTICATED"


def volume(**source: Any) -> JsonObject:
    return {"runtime": {"volumes": [{"name": "v", **source}]}}


def variable(name: str = OPEN, **value: Any) -> JsonObject:
    return {"facade": {"extraEnv": [{"name": name, **value}]}}


REFUSED = {
    "hostPath": (volume(hostPath={"path": "/"}), "spec.runtime.volumes[0].hostPath"),
    "nfs": (volume(nfs={"server": "s", "path": "/"}), "spec.runtime.volumes[0].nfs"),
    "flexVolume": (volume(flexVolume={"driver": "d"}), "spec.runtime.volumes[0].flexVolume"),
    "gitRepo": (volume(gitRepo={"repository": "r"}), "spec.runtime.volumes[0].gitRepo"),
    "an unknown type": (volume(later={}), "spec.runtime.volumes[0].later"),
    "two types": (volume(emptyDir={}, hostPath={}), "spec.runtime.volumes[0].hostPath"),
    "an API token": (
        volume(projected={"sources": [{"secret": {"name": "s"}}, TOKEN]}),
        "spec.runtime.volumes[0].projected.sources[1].serviceAccountToken",
    ),
    "a pod certificate": (
        volume(projected={"sources": [{"podCertificate": {"signerName": "s", "keyType": "k"}}]}),
        "spec.runtime.volumes[0].projected.sources[0].podCertificate",
    ),
    "open to all": (variable(value="true"), "spec.facade.extraEnv[0]"),
    "open to all, spelt otherwise": (variable(value="1"), "spec.facade.extraEnv[0]"),
    "open to all by a reference": (variable(value="$(OPEN)"), "spec.facade.extraEnv[0]"),
    "open to all by a Secret": (
        variable(value="false", valueFrom={"secretKeyRef": {"name": "s", "key": "k"}}),
        "spec.facade.extraEnv[0]",
    ),
    "other rules": (variable("OMNIA_AUTH_PATH", value="/x"), "spec.facade.extraEnv[0]"),
    "other keys": (variable("OMNIA_AUTH_SECRETS_PATH", value="/x"), "spec.facade.extraEnv[0]"),
}
ALLOWED = {
    **{
        kind: volume(**{kind: {}})
        for kind in ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "secret")
    },
    "claim": volume(persistentVolumeClaim={"claimName": "c"}),
    "projected": volume(projected={"sources": [{"secret": {"name": "s"}}, {"configMap": {}}]}),
    "a type without a value": volume(emptyDir={}, hostPath=None),
    "closed": variable(value="false"),
    "another variable": variable("ANYTHING", value="true"),
    "image": {"framework": {"image": "mine"}, "facade": {"image": "mine"}},
}


def container(field: str = "extraContainers", **fields: Any) -> JsonObject:
    return {"runtime": {field: [{"name": "proxy", "image": "mine", **fields}]}}


REFUSED |= {
    "a ServiceAccount of one's own": (
        {"runtime": {"serviceAccountName": "powerful"}},
        "spec.runtime.serviceAccountName",
    ),
    "a port of the node": (
        container(ports=[{"containerPort": 1}, {"containerPort": 2, "hostPort": 2}]),
        "spec.runtime.extraContainers[0].ports[1].hostPort",
    ),
}
HOSTS = {
    "a probe of another host": (
        container(livenessProbe={"httpGet": {"host": "169.254.169.254", "port": 80}}),
        "spec.runtime.extraContainers[0].livenessProbe.httpGet.host",
    ),
    "a connection to another host": (
        container("initContainers", startupProbe={"tcpSocket": {"host": "x", "port": 80}}),
        "spec.runtime.initContainers[0].startupProbe.tcpSocket.host",
    ),
    "a hook that calls another host": (
        container(lifecycle={"preStop": {"httpGet": {"host": "x", "port": 80}}}),
        "spec.runtime.extraContainers[0].lifecycle.preStop.httpGet.host",
    ),
}
ALLOWED |= {
    "containers": container(
        env=[{"name": "A", "value": "1"}],
        ports=[{"containerPort": 9100}],
        readinessProbe={"httpGet": {"path": "/", "port": 9100, "host": ""}},
    ),
    "an account in the cloud": {"runtime": {"serviceAccountAnnotations": {"role": "agent"}}},
    "an Ingress": {"facade": {"expose": {"hostnames": ["a.example.com"], "ingress": {}}}},
    "a load balancer": {"facade": {"service": {"type": "LoadBalancer"}}},
}
DEFAULTS = Policy()


def refused(change: JsonObject, policy: Policy = DEFAULTS) -> list[str]:
    agent = world.agent(objects.agent(change))
    return [dotted(finding.path) for finding in refusals(agent, policy)]


@pytest.mark.parametrize(("change", "place"), REFUSED.values(), ids=REFUSED)
async def test_what_is_not_allowed_is_refused_with_its_place_and_the_pods_run_on(
    change: JsonObject, place: str
) -> None:
    cluster = await settled(*everything())
    before = {key: live for key, live in cluster.objects.items() if key[0] == DEPLOYMENT}

    cluster.put(objects.agent(change))
    await cluster.settle()

    assert {key: live for key, live in cluster.objects.items() if key[0] == DEPLOYMENT} == before
    assert cluster.status()["phase"] == "Failed"
    assert cluster.conditions()["Ready"] == "False: PolicyViolation"
    assert cluster.message("Ready").startswith(f"{place}: ")
    assert "in the values of the operator's chart" in cluster.message("Ready")
    assert ("helper", "PolicyViolation") in cluster.events


@pytest.mark.parametrize(("change", "place"), REFUSED.values(), ids=REFUSED)
async def test_a_new_agent_with_it_gets_nothing(change: JsonObject, place: str) -> None:
    cluster = await settled(*everything(change))

    assert cluster.names(DEPLOYMENT) == []
    assert cluster.status()["phase"] == "Failed"

    cluster.put(objects.agent())
    await cluster.settle()
    cluster.run_pods()
    await cluster.settle()
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_what_the_standard_restricted_allows_is_allowed(change: JsonObject) -> None:
    assert refused(change) == []


@pytest.mark.parametrize(
    ("policy", "change", "places"),
    [
        ({"volumes": ("hostPath",)}, volume(hostPath={"path": "/"}), []),
        ({"volumes": ()}, volume(secret={}), ["spec.runtime.volumes[0].secret"]),
        (
            {"volumes": ("emptyDir",)},
            {
                "facade": {
                    "media": {
                        "enabled": True,
                        "publicURL": "https://a",
                        "persistentVolumeClaim": {"claimName": "c"},
                    }
                }
            },
            ["spec.facade.media.persistentVolumeClaim"],
        ),
        (
            {"volumes": ("emptyDir",)},
            {"session": {"type": "sqlite", "persistentVolumeClaim": {"claimName": "c"}}},
            ["spec.session.persistentVolumeClaim"],
        ),
        ({"service_account_tokens": True}, volume(projected={"sources": [TOKEN]}), []),
        ({"unauthenticated_agents": True}, variable(value="true"), []),
        (
            {"custom_images": False},
            {
                "framework": {"image": "mine", "version": "2"},
                "facade": {"image": "mine"},
                **volume(image={"reference": "mine"}),
            },
            [
                "spec.framework.image",
                "spec.framework.version",
                "spec.facade.image",
                "spec.runtime.volumes[0].image",
            ],
        ),
        (
            {"extra_environment": False},
            {
                "facade": {"extraEnv": [{"name": "A", "value": "1"}]},
                "runtime": {"extraEnv": [{"name": "A", "value": "1"}]},
            },
            ["spec.facade.extraEnv", "spec.runtime.extraEnv"],
        ),
        ({"extra_environment": False, "custom_images": False}, {}, []),
        (
            {"custom_images": False},
            container("initContainers"),
            ["spec.runtime.initContainers[0].image"],
        ),
        (
            {"extra_environment": False},
            container(env=[{"name": "A", "value": "1"}], envFrom=[{"secretRef": {"name": "s"}}]),
            ["spec.runtime.extraContainers[0].env", "spec.runtime.extraContainers[0].envFrom"],
        ),
        (
            {"custom_service_accounts": True},
            {"runtime": {"serviceAccountName": "powerful"}},
            [],
        ),
        (
            {"extra_containers": False},
            {
                "runtime": {
                    **container()["runtime"],
                    "initContainers": [{"name": "seed", "image": "mine"}],
                }
            },
            ["spec.runtime.extraContainers[0]", "spec.runtime.initContainers[0]"],
        ),
        ({"host_ports": True}, container(ports=[{"containerPort": 1, "hostPort": 1}]), []),
        (
            {"exposure": False},
            {
                "facade": {
                    "expose": {
                        "hostnames": ["a.example.com"],
                        "httpRoute": {"parentRefs": [{"name": "public"}]},
                    },
                    "service": {
                        "type": "NodePort",
                        "annotations": {"tailscale.com/expose": "true"},
                    },
                }
            },
            ["spec.facade.expose", "spec.facade.service.type", "spec.facade.service.annotations"],
        ),
        (
            {"exposure": False},
            {"facade": {"service": {"annotations": {"omnia.altairalabs.ai/tool-path": "/mcp"}}}},
            [],
        ),
    ],
)
def test_each_switch_decides_about_its_fields(
    policy: dict[str, Any], change: JsonObject, places: list[str]
) -> None:
    assert refused(change, replace(Policy(), **policy)) == places


@pytest.mark.parametrize(("change", "place"), HOSTS.values(), ids=HOSTS)
def test_no_switch_lets_a_node_connect_to_a_host_that_an_agent_names(
    change: JsonObject, place: str
) -> None:
    open_to_all = Policy(host_ports=True, custom_service_accounts=True, service_account_tokens=True)
    assert refused(change, open_to_all) == [place]


async def test_the_switches_reach_the_agents() -> None:
    settings = replace(SETTINGS, policy=Policy(volumes=("hostPath",)))
    cluster = await settled(*everything(volume(hostPath={"path": "/data"})))
    assert cluster.names(DEPLOYMENT) == []

    await cluster.settle(settings)

    assert cluster.names(DEPLOYMENT) == ["helper"]


JSON = st.recursive(
    st.sampled_from([None, True, 0, "text"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["projected", "sources", "name", "hostPath", "x"]), inner)
    ),
    max_leaves=8,
)


@given(source=st.dictionaries(st.sampled_from(["projected", "secret", "hostPath", "x"]), JSON))
def test_any_volume_is_judged(source: dict[str, Any]) -> None:
    found = refused(volume(**source))

    listed = {place.split(".")[3] for place in found if place.count(".") == 3}
    given_types = {key for key, value in source.items() if value is not None}
    assert listed >= given_types - {"projected", "secret"}


LIFTED = {
    "securityContext": {"privileged": True, "runAsUser": 0},
    "hostNetwork": True,
    "hostPID": True,
    "mountPropagation": "Bidirectional",
    "capabilities": {"add": ["SYS_ADMIN"]},
    "serviceAccountName": "admin",
}


@pytest.mark.parametrize(
    "passed", [*((name,) for name in LIFTED), tuple(LIFTED)], ids=[*LIFTED, "all"]
)
def test_no_field_that_is_passed_on_lifts_the_security_of_the_pod(passed: tuple[str, ...]) -> None:
    more = {name: LIFTED[name] for name in passed}

    def template(change: JsonObject) -> JsonObject:
        there = world.found(objects.pack(), objects.provider())
        made = render(plan(world.resolved(objects.agent(change), there), Settings()))
        (deployment,) = [each for each in made if each.kind == DEPLOYMENT]
        spec: JsonObject = deployment.body["spec"]["template"]["spec"]
        return spec

    plain = template({"runtime": {"affinity": {}, "tolerations": [{}], "resources": {}}})
    changed = template(
        {
            "facade": {"resources": more, "extraEnv": [{"name": "a", **more}]},
            "runtime": {
                "affinity": more,
                "tolerations": [more],
                "resources": more,
                "volumes": [{"name": "v", **more}],
                "volumeMounts": [{"name": "v", "mountPath": "/v", **more}],
                "extraEnv": [{"name": "a", **more}],
                "podLabels": {"hostNetwork": "true"},
                "podAnnotations": {"hostNetwork": "true"},
                "topologySpreadConstraints": [more],
                "extraContainers": [
                    {
                        "name": "beside",
                        "image": "mine",
                        "resources": more,
                        "env": [{"name": "a", **more}],
                        "envFrom": [more],
                        "livenessProbe": more,
                        "lifecycle": more,
                        "volumeMounts": [{"name": "v", "mountPath": "/v", **more}],
                        "securityContext": {"runAsUser": 1, "readOnlyRootFilesystem": False},
                    }
                ],
            },
        }
    )

    placed = {"affinity", "tolerations", "topologySpreadConstraints"}
    assert set(changed) <= set(plain) | placed
    for field in ("securityContext", "serviceAccountName", "automountServiceAccountToken"):
        assert changed[field] == plain[field]
    *own, beside = changed["containers"]
    for before, after in zip(plain["containers"], own, strict=True):
        assert set(after) <= set(before) | {"resources"}
        assert after["securityContext"] == before["securityContext"]
    mount = next(each for each in changed["containers"][1]["volumeMounts"] if each["name"] == "v")
    assert set(mount) <= {"name", "mountPath", "readOnly", "subPath"}
    assert beside["securityContext"] == {
        "runAsUser": 1,
        "readOnlyRootFilesystem": False,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert beside["volumeMounts"] == [{"name": "v", "mountPath": "/v"}]
    known = {"name", "image", "terminationMessagePolicy", "securityContext", "volumeMounts"}
    passed_on = {"resources", "env", "envFrom", "livenessProbe", "lifecycle"}
    assert set(beside) == known | passed_on
