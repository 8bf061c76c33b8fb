"""Deployments among the manifests, such as a tool server: each container as its command."""

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omnia_cli.local.objects import Addresses, CannotRun, Key, Objects, environment
from omnia_cli.local.ports import LOOPBACK, Ports
from omnia_cli.local.process import ProcessSpec
from omnia_cli.local.volumes import Mount, place
from omnia_cli.manifests import Document, located
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import RELOADS_FILES


@dataclass(frozen=True)
class Workload:
    """A Deployment and the Services that select it; ports by the number the container declares."""

    document: Document
    services: tuple[Document, ...]

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.document.key

    @property
    def containers(self) -> list[JsonObject]:
        """The containers of the pod template."""
        return list(_pod(self.document.value).get("containers") or [])

    def declared_ports(self) -> Iterator[tuple[str, int]]:
        """Yield name ("" when it has none) and number of each container port."""
        for container in self.containers:
            for port in container.get("ports") or []:
                yield str(port.get("name", "")), int(port["containerPort"])

    def addresses(self, chosen: Mapping[int, int]) -> Iterator[tuple[Key, int, int]]:
        """Yield each Service's key, port and local port."""
        by_name = {name: number for name, number in self.declared_ports() if name}
        for service in self.services:
            for port in (service.value.get("spec") or {}).get("ports") or []:
                target = port.get("targetPort", port["port"])
                number = by_name.get(target) if isinstance(target, str) else int(target)
                if number is not None and number in chosen:
                    yield service.key, int(port["port"]), chosen[number]


def place_of(document: Document) -> str:
    """Return file and line of an object; of a Deployment, where it says what is run."""
    command = ("spec", "template", "spec", "containers", 0, "command")
    return located(document.file, document.line(command if command in document.lines else ()))


def workloads(documents: list[Document]) -> list[Workload]:
    """Pair each Deployment with the Services that lead to it."""
    services = [document for document in documents if document.kind == "Service"]
    return [
        Workload(document, tuple(service for service in services if _selects(service, document)))
        for document in documents
        if document.kind == "Deployment"
    ]


def choose_ports(workload: Workload, ports: Ports) -> dict[int, int]:
    """Give each declared port its own number if that is free, else the next free one."""
    return {number: ports.from_(number) for _, number in workload.declared_ports()}


def processes(
    workload: Workload,
    chosen: Mapping[int, int],
    root: Path,
    objects: Objects,
    addresses: Addresses,
    inherited: Mapping[str, str],
) -> list[ProcessSpec]:
    """Return one process for each container.

    Raises:
        CannotRun: a container has something that this machine cannot run; the message names it.
    """
    pod = _pod(workload.document.value)
    if pod.get("initContainers"):
        raise CannotRun("init containers are not run on this machine")
    return [
        _process(workload, container, list(pod.get("volumes") or []), around)
        for container in workload.containers
        for around in [_Around(chosen, root, objects, addresses, inherited)]
    ]


@dataclass(frozen=True)
class _Around:
    chosen: Mapping[int, int]
    root: Path
    objects: Objects
    addresses: Addresses
    inherited: Mapping[str, str]


def _process(
    workload: Workload, container: JsonObject, volumes: list[JsonObject], around: _Around
) -> ProcessSpec:
    namespace, name = workload.key
    if not container.get("command"):
        raise CannotRun(
            f'container "{container["name"]}" has no command: only its image '
            f"({container.get('image')}) knows how to start it, and images are not run here"
        )
    mounts = [
        Mount(mount["name"], mount["mountPath"], mount.get("subPath", ""))
        for mount in container.get("volumeMounts") or []
    ]
    folders = place(volumes, mounts, around.root, around.root, namespace, around.objects)
    values = environment(list(container.get("env") or []), namespace, name, around.objects)

    def local(text: str) -> str:
        if text.isdecimal() and int(text) in around.chosen:
            return str(around.chosen[int(text)])
        if text == "0.0.0.0":
            return LOOPBACK
        return around.addresses.follow(folders.paths.follow(text), namespace)

    own = {key: local(value) for key, value in values.items()}
    words = [*container["command"], *(container.get("args") or [])]
    command = [local(_expand(str(word), own)) for word in words]
    return ProcessSpec(
        title=f"{name}/{container['name']}",
        command=(_program(command[0]), *command[1:]),
        environment={**around.inherited, "PYTHONUNBUFFERED": "1", **own},
        files=folders.files,
        folders=folders.empty,
        read_at_start=frozenset()
        if _reloads(workload.document.value)
        else frozenset(folders.files),
    )


def _program(name: str) -> str:
    """Find the program; a Python of the image is the Python that runs us."""
    if re.fullmatch(r"(/usr(/local)?/bin/)?python(3(\.\d+)?)?", name):
        return sys.executable
    if found := shutil.which(name):
        return found
    raise CannotRun(f'the command "{name}" is not on this machine')


def _expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)` as Kubernetes does in a command; one that is not set stays."""
    return re.sub(r"\$\((\w+)\)", lambda match: values.get(match[1], match[0]), text)


def _pod(deployment: JsonObject) -> JsonObject:
    template: JsonObject = (deployment.get("spec") or {}).get("template") or {}
    return template.get("spec") or {}


def _reloads(deployment: JsonObject) -> bool:
    """Whether the program itself reads changed files again."""
    template: JsonObject = (deployment.get("spec") or {}).get("template") or {}
    annotations: JsonObject = (template.get("metadata") or {}).get("annotations") or {}
    return annotations.get(RELOADS_FILES) == "true"


def _selects(service: Document, deployment: Document) -> bool:
    selector: Mapping[str, Any] = (service.value.get("spec") or {}).get("selector") or {}
    template: JsonObject = (deployment.value.get("spec") or {}).get("template") or {}
    labels: Mapping[str, Any] = (template.get("metadata") or {}).get("labels") or {}
    same_namespace = service.namespace == deployment.namespace
    return bool(selector) and same_namespace and selector.items() <= labels.items()
