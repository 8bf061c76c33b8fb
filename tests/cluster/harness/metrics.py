"""metrics.k8s.io/v1beta1 from the kubelet's own numbers: enough for `kubectl top` and an HPA."""

import datetime as dt
import json
import ssl
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.cluster.harness import addresses
from tests.cluster.harness.api_client import ApiClient, Object

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
API_VERSION = f"{GROUP}/{VERSION}"
FRESH_SECONDS = 2.0


class Usage:
    """What the containers of the cluster use; asked for at most every two seconds."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._asked = float("-inf")
        self._nodes: list[Object] = []
        self._labels: dict[tuple[str, str], Object] = {}

    def nodes(self) -> list[Object]:
        """Return a NodeMetrics for each node."""
        self._refresh()
        return [
            {**_head("NodeMetrics", each["node"]["nodeName"]), "usage": _used(each["node"])}
            for each in self._nodes
        ]

    def pods(self, namespace: str | None, selector: str) -> list[Object]:
        """Return a PodMetrics for each pod."""
        self._refresh()
        found = []
        for pod in (pod for node in self._nodes for pod in node.get("pods", [])):
            where, name = pod["podRef"]["namespace"], pod["podRef"]["name"]
            labels = self._labels.get((where, name), {})
            if namespace in (None, where) and _selected(labels, selector):
                containers = [
                    {"name": each["name"], "usage": _used(each)}
                    for each in pod.get("containers", [])
                ]
                metrics = _head("PodMetrics", name)
                metrics["metadata"] |= {"namespace": where, "labels": labels}
                found.append({**metrics, "containers": containers})
        return found

    def _refresh(self) -> None:
        if time.monotonic() - self._asked < FRESH_SECONDS:
            return
        names = [each["metadata"]["name"] for each in self._client.get("/api/v1/nodes")["items"]]
        self._nodes = [
            self._client.get(f"/api/v1/nodes/{name}/proxy/stats/summary") for name in names
        ]
        self._labels = {
            (pod["metadata"]["namespace"], pod["metadata"]["name"]): pod["metadata"].get(
                "labels", {}
            )
            for pod in self._client.get("/api/v1/pods")["items"]
        }
        self._asked = time.monotonic()


def respond(path: str, usage: Usage) -> Object | None:
    """Return the answer to a GET; None when there is nothing at the path."""
    url = urlsplit(path)
    selector = parse_qs(url.query).get("labelSelector", [""])[0]
    match url.path.strip("/").split("/")[1:]:
        case []:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group()]}
        case [_]:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group()}
        case [_, _]:
            return _resources()
        case [_, _, *collection]:
            return _measured(collection, selector, usage)
        case _:
            return None


def _measured(collection: list[str], selector: str, usage: Usage) -> Object | None:
    match collection:
        case ["nodes"]:
            return _list("NodeMetricsList", usage.nodes())
        case ["nodes", name]:
            return _named(name, usage.nodes())
        case ["pods"]:
            return _list("PodMetricsList", usage.pods(None, selector))
        case ["namespaces", namespace, "pods"]:
            return _list("PodMetricsList", usage.pods(namespace, selector))
        case ["namespaces", namespace, "pods", name]:
            return _named(name, usage.pods(namespace, selector))
        case _:
            return None


def serve_metrics(client: ApiClient, certificates: Path) -> None:
    """Serve until the process ends."""
    usage = Usage(client)

    class Metrics(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                found = respond(self.path, usage)
                status = 404 if found is None else 200
            except (OSError, KeyError) as error:
                found, status = {"message": repr(error)}, 500
            failure = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status}
            body = json.dumps(found if status == 200 else {**failure, **(found or {})}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer((addresses.NODE, addresses.METRICS_PORT), Metrics)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates / "metrics.crt", certificates / "metrics.key")
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def _head(kind: str, name: str) -> Object:
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = {"name": name, "creationTimestamp": now}
    return {
        "kind": kind,
        "apiVersion": API_VERSION,
        "metadata": metadata,
        "timestamp": now,
        "window": "10s",
    }


def _used(measured: Object) -> Object:
    processor, memory = measured.get("cpu", {}), measured.get("memory", {})
    return {
        "cpu": f"{processor.get('usageNanoCores', 0)}n",
        "memory": f"{memory.get('workingSetBytes', 0) // 1024}Ki",
    }


def _selected(labels: Object, selector: str) -> bool:
    terms = (term.replace("==", "=").split("=") for term in selector.split(",") if term)
    return all(labels.get(term[0]) == term[-1] for term in terms)


def _group() -> Object:
    version = {"groupVersion": API_VERSION, "version": VERSION}
    return {"name": GROUP, "versions": [version], "preferredVersion": version}


def _resources() -> Object:
    def resource(name: str, kind: str, *, namespaced: bool) -> Object:
        verbs = ["get", "list"]
        return {
            "name": name,
            "singularName": "",
            "namespaced": namespaced,
            "kind": kind,
            "verbs": verbs,
        }

    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": API_VERSION,
        "resources": [
            resource("nodes", "NodeMetrics", namespaced=False),
            resource("pods", "PodMetrics", namespaced=True),
        ],
    }


def _list(kind: str, items: list[Object]) -> Object:
    return {"kind": kind, "apiVersion": API_VERSION, "metadata": {}, "items": items}


def _named(name: str, items: list[Object]) -> Object | None:
    return next((each for each in items if each["metadata"]["name"] == name), None)
