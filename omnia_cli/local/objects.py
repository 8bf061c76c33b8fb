"""The objects of the manifests that are no custom resources, and where their names lead here."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omnia_cli.local.ports import LOOPBACK
from omnia_cli.manifests import Document
from omnia_core.jsonvalue import JsonObject

Key = tuple[str, str]


class CannotRun(Exception):
    """Something in a manifest has no counterpart on this machine; the message names it."""


@dataclass(frozen=True)
class Objects:
    """ConfigMaps and Secrets by namespace and name: file or key name → content."""

    config_maps: Mapping[Key, Mapping[str, bytes]]
    secrets: Mapping[Key, Mapping[str, bytes]]

    def secret(self, key: Key, entry: str) -> str:
        """Return one value of a Secret.

        Raises:
            CannotRun: it is not there.
        """
        return _entry(self.secrets, "Secret", key, entry)

    def config(self, key: Key, entry: str) -> str:
        """Return one value of a ConfigMap.

        Raises:
            CannotRun: it is not there.
        """
        return _entry(self.config_maps, "ConfigMap", key, entry)


def collect(documents: list[Document]) -> Objects:
    """Gather the ConfigMaps and Secrets among the manifests."""
    config_maps = {
        document.key: _config_map(document.value)
        for document in documents
        if document.kind == "ConfigMap"
    }
    secrets = {
        document.key: _secret(document.value) for document in documents if document.kind == "Secret"
    }
    return Objects(config_maps, secrets)


@dataclass
class Addresses:
    """Where the names and ports of Services lead on this machine."""

    ports: dict[Key, dict[int, int]] = field(default_factory=dict)

    def add(self, key: Key, service_port: int, local_port: int) -> None:
        """Let `service_port` of a Service lead to a local port."""
        self.ports.setdefault(key, {})[service_port] = local_port

    def follow(self, text: str, namespace: str) -> str:
        """Replace each `//service[.namespace[.svc…]][:port]` by its local address."""
        for (home, name), ports in self.ports.items():
            suffix = rf"\.{re.escape(home)}(?:\.svc(?:\.cluster\.local)?)?"
            host = re.escape(name) + (f"(?:{suffix})?" if home == namespace else suffix)
            for service_port, local_port in ports.items():
                port = rf"(?::{service_port})" + ("?" if service_port == 80 else "")  # noqa: PLR2004
                text = re.sub(rf"(?<=//){host}{port}(?![\w.:-])", f"{LOOPBACK}:{local_port}", text)
        return text


@dataclass(frozen=True)
class Paths:
    """Where the mount paths of a container lead on this machine."""

    places: Mapping[str, str]

    def follow(self, text: str) -> str:
        """Replace each mount path in a setting, also one that lies inside it."""
        for path in sorted(self.places, key=len, reverse=True):
            text = re.sub(
                rf"(?<![\w./-]){re.escape(path)}(?=/|$|[\s:;,\"'])",
                self.places[path].replace("\\", r"\\"),
                text,
            )
        return text


def environment(
    entries: list[JsonObject], namespace: str, name: str, objects: Objects
) -> dict[str, str]:
    """Return the values of a container's `env`.

    Raises:
        CannotRun: an entry refers to something that is not there.
    """
    values: dict[str, str] = {}
    for entry in entries:
        source = entry.get("valueFrom")
        values[entry["name"]] = (
            str(entry.get("value", ""))
            if not source
            else _from(source, namespace, name, objects, entry["name"])
        )
    return values


def _from(source: JsonObject, namespace: str, name: str, objects: Objects, variable: str) -> str:
    if reference := source.get("secretKeyRef"):
        return objects.secret((namespace, reference["name"]), reference["key"])
    if reference := source.get("configMapKeyRef"):
        return objects.config((namespace, reference["name"]), reference["key"])
    fields = {"metadata.name": name, "metadata.namespace": namespace, "status.podIP": LOOPBACK}
    path = source.get("fieldRef", {}).get("fieldPath", "")
    if path in fields:
        return fields[path]
    raise CannotRun(f"the variable {variable} has a source that only a cluster has: {source}")


def _entry(where: Mapping[Key, Mapping[str, bytes]], kind: str, key: Key, entry: str) -> str:
    if key not in where:
        raise CannotRun(f'{kind} "{key[1]}" is not among the manifests')
    if entry not in where[key]:
        raise CannotRun(f'{kind} "{key[1]}" has no key "{entry}"; it has: {", ".join(where[key])}')
    return where[key][entry].decode()


def _config_map(value: JsonObject) -> dict[str, bytes]:
    binary = {key: base64.b64decode(each) for key, each in (value.get("binaryData") or {}).items()}
    return {key: str(each).encode() for key, each in (value.get("data") or {}).items()} | binary


def _secret(value: JsonObject) -> dict[str, bytes]:
    data: dict[str, Any] = value.get("data") or {}
    plain: dict[str, Any] = value.get("stringData") or {}
    decoded = {key: base64.b64decode(each) for key, each in data.items()}
    return decoded | {key: str(each).encode() for key, each in plain.items()}
