"""Tool servers in the cluster, and what the operator finds there."""

from omnia_core.jsonvalue import JsonObject
from tests.cluster.harness.images import image
from tests.cluster.kubectl import Kubectl
from tests.operator.cluster import config_map

# The image of the operator has the SDK.
MCP_SERVER = """
from mcp.server.mcpserver import MCPServer

server = MCPServer("weather")

@server.tool()
def forecast(city: str) -> str:
    \"\"\"Tell tomorrow's weather.\"\"\"
    return f"{city}: sun"

server.run("streamable-http", host="0.0.0.0", port=8000)
"""


# Says on standard output what it is asked for.
HTTP_SERVER = """
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Tool(BaseHTTPRequestHandler):
    def do_POST(self):
        # in one piece: requests come side by side
        sys.stdout.write(self.path + "\\n")
        sys.stdout.flush()
        body = json.dumps({"path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("0.0.0.0", 8000), Tool).serve_forever()
"""


def mcp_server() -> list[JsonObject]:
    """An MCP server `weather` with the tool `forecast`, at port 80."""
    return [*server("weather", MCP_SERVER), service("weather", {"port": 80, "targetPort": 8000})]


def http_server() -> list[JsonObject]:
    """A server `web` that answers every POST, at port 8000."""
    return [*server("web", HTTP_SERVER), service("web", {"port": 8000})]


def server(name: str, program: str) -> list[JsonObject]:
    """Return a Deployment of a program that listens on port 8000."""
    labels = {"app": name}
    container = {
        "name": "server",
        "image": image("operator"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "/srv/server.py"],
        "ports": [{"containerPort": 8000}],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
        "volumeMounts": [{"name": "server", "mountPath": "/srv"}],
    }
    pod = {
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "server", "configMap": {"name": name}}],
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    return [config_map(name, {"server.py": program}), deployment]


def service(name: str, port: JsonObject) -> JsonObject:
    spec = {"selector": {"app": name}, "ports": [port]}
    metadata = {"name": name, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def http_tool(name: str, change: JsonObject) -> JsonObject:
    tool = {"name": name, "description": "Helps.", "inputSchema": {"type": "object"}}
    return {"name": name, "type": "http", "tool": tool, **change}


def discovered(kubectl: Kubectl) -> tuple[str, dict[str, str]]:
    status = kubectl.get("toolregistry", "tools").get("status", {})
    tools = {each["name"]: each["status"] for each in status.get("discoveredTools", ())}
    return status.get("phase", ""), tools
