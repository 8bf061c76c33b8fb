"""A folder of tools in Python: `toolserver.yaml`, and modules with functions marked by `@tool`.

It stands for a ConfigMap with the files, a Deployment that runs them on the image of the runtime, a
Service, and a ToolRegistry that finds the tools there by MCP.
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from omnia_cli.folders.front_matter import read_mapping, read_text
from omnia_cli.folders.pack_objects import LARGEST_CONFIG_MAP
from omnia_cli.manifests import ManifestError
from omnia_core.documents import Lines
from omnia_core.files.reading import read_file
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import API_VERSION, RELOADS_FILES, Kind
from omnia_core.units import Duration
from omnia_operator.api.findings import explain_all
from omnia_operator.api.meta import ContainerEnvVar
from omnia_operator.api.model import DurationField, Label, Model, Text
from omnia_operator.plan import Settings

SERVER_FILE = "toolserver.yaml"
PORT = 8000
_MOUNT = "/tools"
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
# A call that takes too long gets the server's error, which names the function, not the handler's.
_SOONER_SECONDS = 2
_RESOURCES: JsonObject = {
    "requests": {"cpu": "10m", "memory": "96Mi"},
    "limits": {"memory": "512Mi"},
}


class ServerFields(Model):
    """The fields of `toolserver.yaml`."""

    name: Label
    """Name of the objects, and of the ToolRegistry that agents refer to."""
    image: Text = Settings().runtime_image
    """Image of the runtime, or one that is made from it and has the packages of the tools."""
    timeout: DurationField = Duration.parse("30s")
    """Time limit of a call; `@tool(timeout=…)` makes it shorter."""
    env: list[ContainerEnvVar] = Field(default_factory=list)
    """Environment variables, as in a Kubernetes container."""
    resources: JsonObject = _RESOURCES
    """Requests and limits, as in a Kubernetes container."""


@dataclass(frozen=True)
class ToolFolder:
    """A folder that was read.

    Attributes:
        files: the content of each file beside `toolserver.yaml`, by its name.
        lines: of `toolserver.yaml`.
    """

    folder: Path
    fields: ServerFields
    files: dict[str, bytes]
    lines: Lines


def is_tool_folder(path: Path) -> bool:
    """Whether a path is a folder with a `toolserver.yaml`."""
    return (path / SERVER_FILE).is_file()


def tool_files(folder: Path) -> list[Path]:
    """Return the files that tools may need: those directly in the folder, but hidden ones."""
    return sorted(
        file
        for file in folder.iterdir()
        if file.is_file() and file.name != SERVER_FILE and not file.name.startswith(".")
    )


def read_tool_folder(folder: Path) -> ToolFolder:
    """Read a folder; its Python is not run.

    Raises:
        ManifestError: a file cannot be read, or is not what it should be.
    """
    file = folder / SERVER_FILE
    if not file.is_file():
        raise ManifestError(folder, None, f"there is no {SERVER_FILE}: add one, with name")
    value, lines = read_mapping(file, read_text(file))
    try:
        fields = ServerFields.model_validate(value, by_name=False)
    except ValidationError as error:
        found, *_ = explain_all(error, ServerFields.model_json_schema(), {})
        where = ".".join(map(str, found.path))
        raise ManifestError(file, lines.at(found.path).line, f"{where}: {found.message}") from error
    files: dict[str, bytes] = {}
    for each in tool_files(folder):
        if not _KEY.fullmatch(each.name):
            message = "a ConfigMap cannot have this name: use letters, digits and . _ -"
            raise ManifestError(each, None, message)
        try:
            files[each.name] = read_file(str(each))
        except OSError as error:
            message = f"the file cannot be read: {error.strerror}"
            raise ManifestError(each, None, message) from error
    if not any(name.endswith(".py") for name in files):
        raise ManifestError(folder, None, "there is no Python file in it: add one, with a @tool")
    if (size := sum(map(len, files.values()))) > LARGEST_CONFIG_MAP:
        raise ManifestError(
            folder,
            None,
            f"its files have {size >> 10} KiB, and a ConfigMap holds"
            f" {LARGEST_CONFIG_MAP >> 10} KiB: build an image that has the large ones, and name it"
            f" in {SERVER_FILE}",
        )
    return ToolFolder(folder, fields, files, lines)


def tool_objects(
    server: ToolFolder, namespace: str = "", *, image: str = "", here: bool = False
) -> list[JsonObject]:
    """Return ConfigMap, Deployment, Service and ToolRegistry.

    Args:
        server: the folder.
        namespace: of the objects; "" is that of kubectl.
        image: in place of the one of `toolserver.yaml`.
        here: on this machine, where errors name the files of the folder.
    """
    name = server.fields.name
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    seconds = server.fields.timeout.seconds
    command = ["python", "-m", "omnia_tools", _MOUNT, "--host", "0.0.0.0"]
    command += ["--port", str(PORT), "--timeout", f"{seconds:g}s"]
    command += ["--shown-as", str(server.folder.absolute())] if here else []
    handler: JsonObject = {
        "name": name,
        "type": "mcp",
        "timeout": f"{seconds + _SOONER_SECONDS:g}s",
        "mcpConfig": {"transport": "streamable-http", "endpoint": f"http://{name}:{PORT}/mcp"},
    }
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **_data(server.files)},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": dict(metadata),
            "spec": {
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {
                        "labels": {"app": name},
                        "annotations": {RELOADS_FILES: "true"},
                    },
                    "spec": _pod(server, command, image or server.fields.image),
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": dict(metadata),
            "spec": {
                "selector": {"app": name},
                "ports": [{"name": "http", "port": PORT, "targetPort": "http"}],
            },
        },
        {
            "apiVersion": API_VERSION,
            "kind": str(Kind.TOOL_REGISTRY),
            "metadata": dict(metadata),
            "spec": {"handlers": [handler]},
        },
    ]


def _pod(server: ToolFolder, command: list[str], image: str) -> JsonObject:
    container: JsonObject = {
        "name": "tools",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "env": [variable.render() for variable in server.fields.env],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 20},
        "resources": server.fields.resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tools", "mountPath": _MOUNT, "readOnly": True}],
    }
    return {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "tools", "configMap": {"name": server.fields.name}}],
    }


def _data(files: dict[str, bytes]) -> JsonObject:
    text: dict[str, str] = {}
    binary: dict[str, str] = {}
    for name, content in files.items():
        try:
            text[name] = content.decode()
        except UnicodeDecodeError:
            binary[name] = b64encode(content).decode()
    return {"data": text} | ({"binaryData": binary} if binary else {})
