"""A tenant who may write custom resources only, and means harm, beside honest agents."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.decoding import read_any_depth
from omnia_operator.labels import INSTANCE, OwnedNames
from tests.cluster.agents import here, ready
from tests.cluster.harness.deploy import RELEASE
from tests.cluster.harness.waiting import becomes
from tests.cluster.kubectl import Kubectl
from tests.cluster.talking import say
from tests.cluster.tool_servers import server, service
from tests.operator import objects, world
from tests.operator.cluster import config_map

HONEST = 20
OF_EACH_KIND = 20
TENANT = "mallory"

# Documents that cost a careless reader its stack, its memory or its time.
SERVER = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

bomb = "a0: &a0 {x: 1}\\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\\n" for n in range(1, 12)
)
DOCUMENTS = {
    "/deep": "openapi: 3.0.0\\nx: " + "[" * 40_000,
    "/merge": "openapi: 3.0.0\\n" + bomb,
    "/flat": "openapi: 3.0.0\\nx: [" + "a," * 2_000_000 + "a]",
}

class Documents(BaseHTTPRequestHandler):
    def do_GET(self):
        body = DOCUMENTS[self.path].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("0.0.0.0", 8000), Documents).serve_forever()
"""

MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
)


def agent(**spec: object) -> Callable[[str], JsonObject]:
    return lambda name: objects.agent(spec, name=name)


def registry(handler: JsonObject) -> Callable[[str], JsonObject]:
    def make(name: str) -> JsonObject:
        return objects.document("ToolRegistry", name, {"handlers": [{"name": "h", **handler}]})

    return make


def volume(**source: JsonObject) -> Callable[[str], JsonObject]:
    return agent(runtime={"volumes": [{"name": "v", **source}]})


TOOL: JsonObject = {"name": "t", "description": "Harms.", "inputSchema": {"type": "object"}}
KINDS: dict[str, Callable[[str], JsonObject]] = {
    "host": volume(hostPath={"path": "/"}),
    "token": volume(projected={"sources": [{"serviceAccountToken": {"path": "t"}}]}),
    "share": volume(nfs={"server": "10.0.0.1", "path": "/"}),
    "issuer": agent(
        externalAuth={"oidc": {"issuer": "http://127.0.0.1:8080", "audience": "a"}},
        runtime={"replicas": 0},
    ),
    "bomb": agent(
        provider={"type": "mock", "mock": {"configMapRef": {"name": "merges"}}}, providers=None
    ),
    "file": registry(
        {
            "type": "grpc",
            "tool": TOOL,
            "grpcConfig": {"endpoint": "evil:1", "tls": True, "tlsCAPath": "/dev/zero"},
        }
    ),
    "local": registry(
        {
            "type": "mcp",
            "mcpConfig": {"transport": "streamable-http", "endpoint": "http://127.0.0.1:8080/x"},
        }
    ),
    "deep": registry({"type": "openapi", "openAPIConfig": {"specURL": "http://evil:8000/deep"}}),
    "merge": registry({"type": "openapi", "openAPIConfig": {"specURL": "http://evil:8000/merge"}}),
    "flat": registry({"type": "openapi", "openAPIConfig": {"specURL": "http://evil:8000/flat"}}),
    "patterns": lambda name: objects.pack(name=name),
}


def nested(levels: int) -> str:
    """Return an agent, as JSON, that is nested nearly as deep as the API server reads."""
    made = here(objects.function({"inputSchema": {"x": "DEEP"}}))
    made["metadata"]["name"] = f"nested-{levels}"
    return json.dumps(made).replace('"DEEP"', '{"a":' * levels + "1" + "}" * levels)


def hostile_pack() -> str:
    """Return a pack whose prompts have thousands of patterns."""
    pack = json.loads(world.PACK_TEXT)
    prompt = next(iter(pack["prompts"].values()))
    prompt["variables"] = [
        {"name": f"v{n}", "type": "string", "validation": {"pattern": f"^(a|b|c{n}){{1,40}}$"}}
        for n in range(4000)
    ]
    return json.dumps(pack)


def small(name: str) -> JsonObject:
    """An honest agent whose requests leave room for others on a small node."""
    resources = {"requests": {"cpu": "5m", "memory": "48Mi"}}
    spec = {"facade": {"resources": resources}, "runtime": {"resources": resources}}
    return objects.agent(spec, name=name)


@pytest.fixture
def tenant(kubectl: Kubectl) -> Kubectl:
    """kubectl as a user who may only write custom resources of Omnia."""
    kubectl(
        *("create", "role", TENANT, "--verb=get,list,create,patch,update"),
        "--resource=agentruntimes,promptpacks,toolregistries,providers",
    )
    kubectl("create", "rolebinding", TENANT, f"--role={TENANT}", f"--user={TENANT}")
    return replace(kubectl, user=TENANT)


def operators(omnia: Kubectl) -> dict[str, int]:
    """Return the restarts of each pod of the operator."""
    return {
        each["metadata"]["name"]: sum(
            status["restartCount"] for status in each["status"].get("containerStatuses", ())
        )
        for each in omnia.list("pods", f"app.kubernetes.io/instance={RELEASE}")
        if "deletionTimestamp" not in each["metadata"]
    }


def settled(kubectl: Kubectl) -> int:
    """Return how many resources the operator has given a status of their last generation."""
    found = kubectl.list("agentruntimes,toolregistries,promptpacks")
    return sum(
        each.get("status", {}).get("observedGeneration") == each["metadata"]["generation"]
        for each in found
    )


@pytest.fixture
def any_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test read what the operator reads."""
    monkeypatch.setattr(json, "_default_decoder", json._default_decoder)  # type: ignore[attr-defined]
    read_any_depth()


@pytest.mark.usefixtures("any_depth")
def test_who_may_write_resources_only_cannot_stop_the_operator_or_the_agents_of_others(
    omnia: Kubectl, kubectl: Kubectl, tenant: Kubectl
) -> None:
    # An operator that a test before ended is no longer counted below.
    omnia.wait_rollout("omnia-operator")
    before = operators(omnia)
    assert before
    names = [f"honest-{number}" for number in range(HONEST)]
    shared = [objects.pack(), objects.provider({"mock": {"responses": {"defaultResponse": "one"}}})]
    kubectl.apply(
        *map(here, [*shared, *map(small, names)]),
        config_map("pack-json", {"pack.json": world.PACK_TEXT}),
        config_map("merges", {"mock-responses.yaml": MERGES}),
        *server("evil", SERVER),
        service("evil", {"port": 8000}),
        *(
            config_map(f"patterns-{number}-json", {"pack.json": hostile_pack()})
            for number in range(OF_EACH_KIND)
        ),
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": OwnedNames("datadog").service_account},
        },
    )
    for name in names:
        ready(kubectl, name)

    hostile = [
        here(make(f"{kind}-{number}"))
        for number in range(OF_EACH_KIND)
        for kind, make in KINDS.items()
    ]
    hostile.append(here(objects.agent({"facade": {"handler": "echo"}}, name="datadog")))
    assert len(hostile) >= 200
    tenant("apply", "--server-side", "--filename=-", stdin=_stream(hostile))

    # The last two are deeper than Python reads in a list.
    deep = (1000, 9900, 9994, 9995)
    for levels in deep:
        tenant("create", "--validate=false", "--filename=-", stdin=nested(levels))
    everything = len(hostile) + len(deep) + HONEST + 1
    becomes(lambda: settled(kubectl), everything, seconds=400)

    def running() -> set[str]:
        return {
            each["metadata"]["name"]
            for each in kubectl.list("agentruntimes")
            # With an issuer that cannot be asked an agent runs, and lets nobody in by its tokens.
            if each["status"]["phase"] == "Running" and "issuer" not in each["metadata"]["name"]
        }

    becomes(running, set(names))
    pods = {each["metadata"]["labels"].get(INSTANCE, "evil") for each in kubectl.list("pods")}
    assert pods == {*names, "evil"}
    for name in names:
        ready(kubectl, name)
        assert say(kubectl, name, "hello") == ["one"]
    assert operators(omnia) == before


def _stream(documents: list[JsonObject]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
