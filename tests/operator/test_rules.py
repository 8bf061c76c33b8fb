"""Every cross-field rule refuses what it is for, says where, and is in the CRD."""

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import InvalidResource, Severity, dotted, findings, parse
from omnia_operator.api.crd import RESOURCES
from omnia_operator.api.model import Model
from omnia_operator.api.rules import rule, violations
from omnia_operator.api.schema import resource_schema
from tests.operator import objects

ECHO = {"promptPackRef": None, "providers": None, "facade": {"handler": "echo"}}
GRPC: JsonObject = {"name": "g", "type": "grpc", "httpConfig": None}
MCP: JsonObject = {"name": "m", "type": "mcp", "httpConfig": None, "tool": None}


def extra_container(**fields: Any) -> JsonObject:
    return {"name": "proxy", "image": "registry.example/proxy:1", **fields}


def with_containers(*extra: JsonObject, init: tuple[JsonObject, ...] = ()) -> JsonObject:
    return objects.agent(
        {"runtime": {"extraContainers": list(extra), "initContainers": list(init)}}
    )


def expose(**way: Any) -> JsonObject:
    return objects.agent({"facade": {"expose": {"hostnames": ["a.example.com"], **way}}})


def of_agent(**query: Any) -> JsonObject:
    provider = {"prometheus": None, "agent": query}
    return objects.analysis(objects.metric({"successCondition": None, "provider": provider}))


ACCEPTED = {
    "errors of the candidate": of_agent(measure="errorRate", worseBy=0.03, max=0.1),
    "an evaluation of the candidate": of_agent(measure="evalPassRate", eval="kind", worseBy=0.05),
    "an echo agent needs neither prompt nor provider": objects.agent(ECHO),
    "a demo agent may have a prompt": objects.agent(
        {"facade": {"handler": "demo"}, "providers": None}
    ),
    "a function": objects.function(),
    "a budget": objects.agent({"budget": {"usdPerDay": 0.5, "usdPerMonth": 10}}),
    "names of sessions by a provider of the agent": objects.agent(
        {"session": {"naming": {"enabled": True, "provider": "default"}}}
    ),
    "names of sessions by the agent's own model": objects.agent(
        {
            "providers": None,
            "provider": {"type": "mock"},
            "session": {"naming": {"provider": "default"}},
        }
    ),
    "scale to zero with KEDA": objects.agent(
        {"runtime": {"autoscaling": {"type": "keda", "minReplicas": 0}}}
    ),
    "a compatible server without a key": objects.provider(
        {"type": "openai", "model": "m", "baseURL": "http://localhost:8000/v1"}
    ),
    "ollama without a key": objects.provider({"type": "ollama", "model": "m"}),
    "settings of OpenAI": objects.provider(
        {
            "type": "vllm",
            "model": "m",
            "openai": {"api": "responses", "reasoningEffort": "low", "parallelToolCalls": False},
        }
    ),
    "mock responses as an object": objects.provider(
        {"mock": {"responses": {"scenarios": {"default": {"turns": {1: "hi"}}}}}}
    ),
    "a selector instead of an endpoint": objects.registry(
        objects.handler({"httpConfig": None, "selector": {"matchLabels": {"app": "weather"}}})
    ),
    "a program as an MCP server": objects.registry(
        objects.handler({**MCP, "mcpConfig": {"transport": "stdio", "command": "server"}})
    ),
    "a tool of the client": objects.registry(
        objects.handler({"type": "client", "httpConfig": None})
    ),
    "a metric with both conditions": objects.analysis(
        objects.metric({"failureCondition": "result > 0.1", "count": 3, "failureLimit": 2})
    ),
    "one bound of three": objects.policy({"ttlAfterInactive": None, "maxMessagesPerSession": 2}),
    "the shortest time of a policy": objects.policy({"ttlAfterInactive": "1s"}),
    "the longest time of a policy": objects.policy({"ttlAfterInactive": "87600h"}),
    "pods, containers and a Service fitted to a platform": objects.agent(
        {
            "facade": {
                "service": {"type": "NodePort", "externalTrafficPolicy": "Local"},
                "expose": {"hostnames": ["a.example.com"], "ingress": {}},
            },
            "runtime": {
                "podLabels": {"app.kubernetes.io/part-of": "support", "team": "a"},
                "podAnnotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
                "serviceAccountName": "support",
                "serviceAccountAnnotations": {},
                "volumes": [{"name": "data", "emptyDir": {}}],
                "extraContainers": [
                    extra_container(
                        ports=[{"containerPort": 9100, "name": "metrics"}, {"containerPort": 53}],
                        volumeMounts=[{"name": "data", "mountPath": "/data"}],
                    )
                ],
                "initContainers": [extra_container(name="seed", restartPolicy="Always")],
            },
        }
    ),
    "a load balancer": objects.agent(
        {
            "facade": {
                "service": {
                    "type": "LoadBalancer",
                    "loadBalancerClass": "example.com/lb",
                    "loadBalancerSourceRanges": ["203.0.113.0/24"],
                }
            }
        }
    ),
    "a Service without ranges": objects.agent(
        {"facade": {"service": {"loadBalancerSourceRanges": []}}}
    ),
    "metadata that the API server adds": objects.agent(
        None, uid="1", generation=2, managedFields=[{}], creationTimestamp="2026-01-01T00:00:00Z"
    ),
}

REFUSED: dict[str, tuple[JsonObject, str, str]] = {
    "a function without an output schema": (
        objects.function({"outputSchema": None}),
        "spec",
        "add both inputSchema and outputSchema",
    ),
    "a function without an input schema": (
        objects.function({"inputSchema": None}),
        "spec",
        "add both inputSchema and outputSchema",
    ),
    "an agent with an input schema": (
        objects.agent({"inputSchema": {}}),
        "spec",
        "belong to functions",
    ),
    "an agent with an output schema": (
        objects.agent({"outputSchema": {}}),
        "spec",
        "belong to functions",
    ),
    "a function over WebSocket": (
        objects.function({"facade": {"type": "websocket"}}),
        "spec.facade.type",
        "set facade.type: grpc",
    ),
    "a function whose facade is left to its default": (
        objects.function({"facade": None}),
        "spec.facade.type",
        "set facade.type: grpc",
    ),
    "an agent over gRPC": (
        objects.agent({"facade": {"type": "grpc"}}),
        "spec.facade.type",
        "set facade.type: websocket",
    ),
    "a function with a door of conversations": (
        objects.function({"facade": {"doors": ["chat"]}}),
        "spec.facade",
        "remove facade.doors",
    ),
    "a function for other agents": (
        objects.function({"facade": {"a2a": {}}}),
        "spec.facade",
        "remove facade.doors and facade.a2a",
    ),
    "a door named twice": (
        objects.agent({"facade": {"doors": ["chat", "chat"]}}),
        "spec.facade.doors",
        "remove the repetition",
    ),
    "push notifications to anybody": (
        objects.agent(
            {"facade": {"a2a": {"agentCard": {"capabilities": {"pushNotifications": True}}}}}
        ),
        "spec.facade.a2a.push",
        "add push.allowedHosts",
    ),
    "gRPC without the version that it speaks": (
        objects.agent({"facade": {"a2a": {"grpc": True, "versions": ["0.3"]}}}),
        "spec.facade.a2a.grpc",
        'add "1.0" to versions',
    ),
    "a function answered by echo": (
        objects.function({"facade": {"handler": "echo"}}),
        "spec.facade.handler",
        "remove facade.handler",
    ),
    "names of sessions by a provider that is not there": (
        objects.agent({"session": {"naming": {"provider": "cheap"}}}),
        "spec.session.naming.provider",
        "add it to providers",
    ),
    "names of sessions by another model than the agent's own": (
        objects.agent(
            {
                "providers": None,
                "provider": {"type": "mock"},
                "session": {"naming": {"provider": "cheap"}},
            }
        ),
        "spec.session.naming.provider",
        "add it to providers",
    ),
    "a budget without a limit": (
        objects.agent({"budget": {"onExceeded": "warn"}}),
        "spec.budget",
        "add usdPerDay, usdPerMonth, or both",
    ),
    "a budget of nothing": (
        objects.agent({"budget": {"usdPerDay": 0}}),
        "spec.budget.usdPerDay",
        "expected more than 0, found 0",
    ),
    "two prompts": (objects.agent({"prompt": {"system": "x"}}), "spec", "exactly one of prompt"),
    "no prompt": (objects.agent({"promptPackRef": None}), "spec", "exactly one of prompt"),
    "two sources of models": (
        objects.agent({"provider": {"type": "mock"}}),
        "spec",
        "exactly one of providers and provider",
    ),
    "no model": (
        objects.agent({"providers": None}),
        "spec",
        "exactly one of providers and provider",
    ),
    "an empty list of models": (
        objects.agent({"providers": []}),
        "spec",
        "exactly one of providers and provider",
    ),
    "two models of one name": (
        objects.agent({"providers": [{"name": "a", "providerRef": {"name": "b"}}] * 2}),
        "spec.providers[1].name",
        "another entry has the name a",
    ),
    "a custom framework without an image": (
        objects.agent({"framework": {"type": "custom"}}),
        "spec.framework.image",
        "add image",
    ),
    "media without a public URL": (
        objects.agent({"facade": {"media": {"enabled": True}}}),
        "spec.facade.media.publicURL",
        "add publicURL",
    ),
    "a port that the pod needs": (
        objects.agent({"facade": {"port": 9000}}),
        "spec.facade.port",
        "choose another port",
    ),
    "redis without an address": (
        objects.agent({"session": {"type": "redis"}}),
        "spec.session.storeRef",
        "add storeRef",
    ),
    "mongodb without an address": (
        objects.agent({"session": {"type": "mongodb"}}),
        "spec.session.storeRef",
        "add storeRef",
    ),
    "postgres without an address": (
        objects.agent({"session": {"type": "postgres"}}),
        "spec.session.storeRef",
        "add storeRef",
    ),
    "a volume for sessions that are elsewhere": (
        objects.agent({"session": {"persistentVolumeClaim": {"claimName": "c"}}}),
        "spec.session.persistentVolumeClaim",
        "set type: sqlite",
    ),
    "bounds in the wrong order": (
        objects.agent({"runtime": {"autoscaling": {"minReplicas": 11}}}),
        "spec.runtime.autoscaling.minReplicas",
        "raise maxReplicas",
    ),
    "scale to zero with HPA": (
        objects.agent({"runtime": {"autoscaling": {"minReplicas": 0}}}),
        "spec.runtime.autoscaling.minReplicas",
        "set type: keda",
    ),
    "KEDA settings of an HPA": (
        objects.agent({"runtime": {"autoscaling": {"keda": {}}}}),
        "spec.runtime.autoscaling.keda",
        "set type: keda",
    ),
    "a mount without a volume": (
        objects.agent({"runtime": {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}}),
        "spec.runtime.volumeMounts",
        "add the missing volume",
    ),
    "a volume with a name of ours": (
        objects.agent({"runtime": {"volumes": [{"name": "omnia-pack"}]}}),
        "spec.runtime.volumes",
        "rename the volume",
    ),
    "a mount over our files": (
        objects.agent(
            {
                "runtime": {
                    "volumes": [{"name": "v"}],
                    "volumeMounts": [{"name": "v", "mountPath": "/etc/omnia/pack"}],
                }
            }
        ),
        "spec.runtime.volumeMounts",
        "mount the volume elsewhere",
    ),
    "a step that does two things": (
        objects.agent({"rollout": {"steps": [{"setWeight": 1, "pause": {}}]}}),
        "spec.rollout.steps[0]",
        "exactly one of setWeight",
    ),
    "a rollout by Istio and by a Gateway": (
        objects.agent(
            {
                "rollout": {
                    "steps": [{"setWeight": 1}],
                    "trafficRouting": {
                        "istio": {
                            "virtualService": {"name": "a", "routes": ["b"]},
                            "destinationRule": {"name": "a"},
                        },
                        "gatewayAPI": {"httpRoute": {"name": "a"}},
                    },
                }
            }
        ),
        "spec.rollout.trafficRouting",
        "remove istio or gatewayAPI",
    ),
    "a name that no Service can have": (
        objects.agent(None, name="4.two"),
        "metadata.name",
        "rename the agent",
    ),
    "an inline model without a name": (
        objects.agent({"providers": None, "provider": {"type": "ollama"}}),
        "spec.provider.model",
        "add model",
    ),
    "a schema that does not compile": (
        objects.function({"inputSchema": {"properties": {"a": {"minimum": "x"}}}}),
        "spec.inputSchema.properties.a.minimum",
        "not a valid JSON Schema",
    ),
    "a provider without a model": (
        objects.provider({"type": "vllm"}),
        "spec.model",
        "add model",
    ),
    "a provider without a key": (
        objects.provider({"type": "claude", "model": "m"}),
        "spec.secretRef",
        "add secretRef",
    ),
    "settings of OpenAI for another vendor": (
        objects.provider(
            {
                "type": "claude",
                "model": "m",
                "secretRef": {"name": "key"},
                "openai": {"api": "responses"},
            }
        ),
        "spec.openai",
        "types openai, ollama and vllm",
    ),
    "mock responses of another type": (
        objects.provider({"type": "ollama", "model": "m", "mock": {}}),
        "spec.mock",
        "set type: mock",
    ),
    "mock responses from two places": (
        objects.provider({"mock": {"responses": {}, "configMapRef": {"name": "a"}}}),
        "spec.mock.configMapRef",
        "remove one of",
    ),
    "a cassette in two places": (
        objects.provider(
            {"cassette": {"mode": "replay", "path": "/c", "configMapRef": {"name": "a"}}}
        ),
        "spec.cassette.path",
        "either configMapRef or path",
    ),
    "a cassette that is recorded into a ConfigMap": (
        objects.provider({"cassette": {"mode": "auto", "configMapRef": {"name": "a"}}}),
        "spec.cassette.configMapRef",
        "give a path on a volume",
    ),
    "a pack without a ConfigMap": (
        objects.pack({"source": {"configMapRef": None}}),
        "spec.source.configMapRef",
        "add configMapRef",
    ),
    "canary steps of an immediate rollout": (
        objects.pack({"rollout": {"canary": {}}}),
        "spec.rollout.canary",
        "set type: canary",
    ),
    "a handler without a tool": (
        objects.registry(objects.handler({"tool": None})),
        "spec.handlers[0].tool",
        "add tool",
    ),
    "a tool of a server that describes its own": (
        objects.registry(
            objects.handler(
                MCP | {"tool": objects.handler()["tool"], "mcpConfig": {"transport": "sse"}}
            )
        ),
        "spec.handlers[0].tool",
        "remove tool",
    ),
    "a config block of another type": (
        objects.registry(objects.handler({"mcpConfig": {"transport": "sse"}})),
        "spec.handlers[0]",
        "remove the others",
    ),
    "a gRPC handler without an address": (
        objects.registry(objects.handler(GRPC)),
        "spec.handlers[0]",
        "grpcConfig.endpoint",
    ),
    "an MCP handler without a transport": (
        objects.registry(objects.handler(MCP | {"selector": {"matchLabels": {"a": "b"}}})),
        "spec.handlers[0].mcpConfig",
        "add mcpConfig",
    ),
    "an MCP server over stdio without a program": (
        objects.registry(objects.handler(MCP | {"mcpConfig": {"transport": "stdio"}})),
        "spec.handlers[0].mcpConfig.command",
        "add command",
    ),
    "headers of a program": (
        objects.registry(
            objects.handler(
                MCP | {"mcpConfig": {"transport": "stdio", "command": "x", "headers": {"A": "b"}}}
            )
        ),
        "spec.handlers[0].mcpConfig.headers",
        "gets no headers",
    ),
    "an environment of a server that is no program": (
        objects.registry(
            objects.handler(
                MCP
                | {
                    "mcpConfig": {
                        "transport": "sse",
                        "endpoint": "http://a",
                        "envFrom": [{"name": "A", "secretRef": {"name": "a", "key": "b"}}],
                    }
                }
            )
        ),
        "spec.handlers[0].mcpConfig.envFrom",
        "only a program over stdio has an environment",
    ),
    "a document with two sources": (
        objects.registry(
            objects.handler(
                MCP
                | {
                    "type": "openapi",
                    "openAPIConfig": {
                        "specURL": "http://a",
                        "specConfigMapRef": {"name": "a", "key": "b"},
                    },
                }
            )
        ),
        "spec.handlers[0].openAPIConfig.specConfigMapRef",
        "the document has one source",
    ),
    "an authority of a gRPC server": (
        objects.registry(
            objects.handler(
                GRPC
                | {
                    "grpcConfig": {"endpoint": "a:1"},
                    "tls": {"caConfigMapRef": {"name": "a"}},
                }
            )
        ),
        "spec.handlers[0].tls",
        "the block tls belongs to",
    ),
    "a selector of a client tool": (
        objects.registry(
            objects.handler(
                {"type": "client", "httpConfig": None, "selector": {"matchLabels": {"a": "b"}}}
            )
        ),
        "spec.handlers[0].selector",
        "remove selector",
    ),
    "a bearer without a Secret": (
        objects.registry(objects.handler({"auth": {"type": "bearer"}})),
        "spec.handlers[0].auth.secretRef",
        "add secretRef",
    ),
    "a ServiceAccount without an audience": (
        objects.registry(objects.handler({"auth": {"type": "serviceAccount"}})),
        "spec.handlers[0].auth.serviceAccount",
        "add or remove it",
    ),
    "a workload identity without a cloud": (
        objects.registry(objects.handler({"auth": {"type": "workloadIdentity"}})),
        "spec.handlers[0].auth.workloadIdentity",
        "add or remove it",
    ),
    "a first wait beyond the longest": (
        objects.registry(
            objects.handler(
                {"httpConfig": {"retryPolicy": {"maxAttempts": 2, "initialBackoff": "1m"}}}
            )
        ),
        "spec.handlers[0].httpConfig.retryPolicy.initialBackoff",
        "raise maxBackoff",
    ),
    "a label of the operator": (
        objects.agent({"runtime": {"podLabels": {"app.kubernetes.io/instance": "other"}}}),
        "spec.runtime.podLabels",
        "rename the label",
    ),
    "a label with the operator's prefix": (
        objects.agent({"runtime": {"podLabels": {"omnia.altairalabs.ai/mode": "function"}}}),
        "spec.runtime.podLabels",
        "rename the label",
    ),
    "an annotation of the operator": (
        objects.agent({"runtime": {"podAnnotations": {"omnia.altairalabs.ai/config-hash": "x"}}}),
        "spec.runtime.podAnnotations",
        "remove the annotation",
    ),
    "an annotation that lifts the AppArmor profile": (
        objects.agent(
            {
                "runtime": {
                    "podAnnotations": {
                        "container.apparmor.security.beta.kubernetes.io/runtime": "unconfined"
                    }
                }
            }
        ),
        "spec.runtime.podAnnotations",
        "remove the annotation",
    ),
    "a ServiceAccount of another agent": (
        objects.agent({"runtime": {"serviceAccountName": "omnia-other-agent"}}),
        "spec.runtime.serviceAccountName",
        "name one of yours",
    ),
    "annotations for the ServiceAccount of somebody": (
        objects.agent(
            {"runtime": {"serviceAccountName": "mine", "serviceAccountAnnotations": {"a": "b"}}}
        ),
        "spec.runtime.serviceAccountAnnotations",
        "annotate yours",
    ),
    "a container with the name of the runtime": (
        with_containers(extra_container(name="runtime")),
        "spec.runtime.extraContainers[0].name",
        "rename the container",
    ),
    "an init container with the name of the facade": (
        with_containers(init=(extra_container(name="facade"),)),
        "spec.runtime.initContainers[0].name",
        "rename the container",
    ),
    "two containers of one name in two lists": (
        with_containers(extra_container(), init=(extra_container(),)),
        "spec.runtime.initContainers",
        "rename one",
    ),
    "two containers of one name": (
        with_containers(extra_container(), extra_container()),
        "spec.runtime.extraContainers[1].name",
        "rename one",
    ),
    "a container with a port of the runtime": (
        with_containers(extra_container(ports=[{"containerPort": 9000}])),
        "spec.runtime.extraContainers[0].ports",
        "choose others",
    ),
    "a container with the name of the facade's port": (
        with_containers(extra_container(ports=[{"containerPort": 9100, "name": "facade"}])),
        "spec.runtime.extraContainers[0].ports",
        "choose others",
    ),
    "a container with the port of the facade": (
        with_containers(extra_container(ports=[{"containerPort": 8080}])),
        "spec.runtime",
        "choose another port",
    ),
    "an init container with the port of the facade": (
        objects.agent(
            {
                "facade": {"port": 8090},
                "runtime": {
                    "initContainers": [
                        extra_container(ports=[{"containerPort": 8090}], restartPolicy="Always")
                    ]
                },
            }
        ),
        "spec.runtime",
        "choose another port",
    ),
    "a container that mounts a file of the agent": (
        with_containers(
            extra_container(volumeMounts=[{"name": "omnia-auth-secrets", "mountPath": "/keys"}])
        ),
        "spec.runtime.extraContainers",
        "add the missing volume",
    ),
    "an init container that mounts nothing": (
        with_containers(
            init=(extra_container(volumeMounts=[{"name": "none", "mountPath": "/none"}]),)
        ),
        "spec.runtime.initContainers",
        "add the missing volume",
    ),
    "a container that runs as root": (
        with_containers(extra_container(securityContext={"runAsUser": 0})),
        "spec.runtime.extraContainers[0].securityContext.runAsUser",
        "expected at least 1",
    ),
    "a privileged container": (
        with_containers(extra_container(securityContext={"privileged": True})),
        "spec.runtime.extraContainers[0].securityContext.privileged",
        "unknown field privileged",
    ),
    "a class of load balancers without one": (
        objects.agent({"facade": {"service": {"loadBalancerClass": "example.com/lb"}}}),
        "spec.facade.service.type",
        "set type: LoadBalancer",
    ),
    "a policy for traffic from outside without any": (
        objects.agent({"facade": {"service": {"externalTrafficPolicy": "Local"}}}),
        "spec.facade.service.type",
        "set one of them",
    ),
    "an exposure by nothing": (expose(), "spec.facade.expose", "exactly one of ingress"),
    "an exposure by both": (
        expose(ingress={}, httpRoute={"parentRefs": [{"name": "public"}]}),
        "spec.facade.expose",
        "exactly one of ingress",
    ),
    "a route of no Gateway": (
        expose(httpRoute={"parentRefs": []}),
        "spec.facade.expose.httpRoute.parentRefs",
        "expected at least 1 entry",
    ),
    "a policy without a bound": (
        objects.policy({"ttlAfterInactive": None, "dryRun": True}),
        "spec",
        "add at least one of ttlAfterInactive, retentionDays and maxMessagesPerSession",
    ),
    "a session that ends at once": (
        objects.policy({"ttlAfterInactive": "999ms"}),
        "spec.ttlAfterInactive",
        "set it to 1s or more",
    ),
    "a time that no computer can count": (
        objects.policy({"ttlAfterInactive": "9999999999h"}),
        "spec.ttlAfterInactive",
        "87600h (ten years) at most",
    ),
    "a metric that is measured in two ways": (
        objects.analysis(objects.metric({"provider": {"web": {"url": "http://a"}}})),
        "spec.metrics[0].provider",
        "set exactly one of prometheus, web and agent",
    ),
    "a measure of the agent with a condition": (
        objects.analysis(
            objects.metric(
                {
                    "provider": {
                        "prometheus": None,
                        "agent": {"measure": "errorRate", "worseBy": 0.1},
                    }
                }
            )
        ),
        "spec.metrics[0]",
        "the provider agent has limits instead, and no condition",
    ),
    "an evaluation without a name": (
        of_agent(measure="evalScore", min=0.5),
        "spec.metrics[0].provider.agent.eval",
        "set eval to its id",
    ),
    "errors of an evaluation": (
        of_agent(measure="errorRate", max=0.5, eval="x"),
        "spec.metrics[0].provider.agent.eval",
        "set eval to its id, and only with them",
    ),
    "a measure without a limit": (
        of_agent(measure="errorRate"),
        "spec.metrics[0].provider.agent",
        "without a limit nothing is decided",
    ),
    "a least rate of errors": (
        of_agent(measure="errorRate", min=0.1),
        "spec.metrics[0].provider.agent",
        "or max (not for evalPassRate and evalScore)",
    ),
    "a share above one": (
        of_agent(measure="errorRate", max=5),
        "spec.metrics[0].provider.agent.max",
        "a number from 0 to 1",
    ),
    "a comparison of what stable cannot have": (
        of_agent(measure="steppedIn", worseBy=0.1),
        "spec.metrics[0].provider.agent",
        "worseBy (not for steppedIn)",
    ),
    "a metric that cannot fail": (
        objects.analysis(objects.metric({"count": 2, "failureLimit": 2})),
        "spec.metrics[0].count",
        "set count to more than failureLimit",
    ),
    "a metric without a condition": (
        objects.analysis(objects.metric({"successCondition": None})),
        "spec.metrics[0]",
        "add successCondition, failureCondition or both",
    ),
    "a metric that is measured all the time": (
        objects.analysis(objects.metric({"interval": "999ms"})),
        "spec.metrics[0].interval",
        "the interval must be 1s or more",
    ),
    "two tools of one name": (
        objects.registry(objects.handler(), objects.handler({"name": "other"})),
        "spec.handlers",
        "rename one",
    ),
}


@pytest.mark.parametrize("document", ACCEPTED.values(), ids=ACCEPTED)
def test_what_the_rules_allow_is_accepted(document: JsonObject) -> None:
    assert parse(document).metadata.name


@pytest.mark.parametrize(("document", "path", "advice"), REFUSED.values(), ids=REFUSED)
def test_a_broken_rule_says_where_and_what_to_do(
    document: JsonObject, path: str, advice: str
) -> None:
    errors = [each for each in findings(document) if each.severity is Severity.ERROR]

    assert any(dotted(each.path) == path and advice in each.message for each in errors), errors
    with pytest.raises(InvalidResource):
        parse(document)


def _entries(schema: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for entry in schema.get("x-kubernetes-validations", []):
        yield schema, entry
    for field in schema.get("properties", {}).values():
        yield from _entries(field)
    if "items" in schema:
        yield from _entries(schema["items"])


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: str(resource.kind_name))
def test_a_rule_of_the_crd_points_at_a_declared_field(resource: Any) -> None:
    for owner, entry in _entries(resource_schema(resource)):
        field = owner
        for name in entry.get("fieldPath", "").split(".")[1:]:
            field = field["properties"][name]


def test_every_rule_is_tried_by_a_case_here() -> None:
    messages = {
        entry["message"]
        for resource in RESOURCES
        for _, entry in _entries(resource_schema(resource))
    }
    seen = {each.message for document, _, _ in REFUSED.values() for each in findings(document)}

    assert messages - seen == set()


class Limited(Model):
    """A model with a rule that fails to evaluate for some values."""

    wait: str
    limit: ClassVar = rule(
        "the wait is at most a minute", cel="duration(self.wait) <= duration('1m')"
    )


@pytest.mark.parametrize(("wait", "broken"), [("59s", False), ("61s", True), ("soon", True)])
def test_a_rule_that_cannot_be_evaluated_is_broken_as_in_the_api_server(
    wait: str, broken: bool
) -> None:
    assert list(violations(Limited(wait=wait))) == (
        [((), "the wait is at most a minute")] if broken else []
    )


def test_a_server_of_another_type_is_no_address() -> None:
    program = {"transport": "stdio", "command": "server"}
    document = objects.registry(objects.handler({"httpConfig": None, "mcpConfig": program}))

    messages = [each.message for each in findings(document)]

    assert any("needs the address of the server" in message for message in messages), messages
