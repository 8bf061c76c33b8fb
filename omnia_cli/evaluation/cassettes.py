"""The cassettes of a run: a folder with a file for each Provider, and one for the tools."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from omnia_cli.manifests import DEFAULT_NAMESPACE, Document
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import API_VERSION, Kind
from omnia_operator.api.provider import CassetteMode

TOOLS = "tools.jsonl"
# What a provider needs to reach its vendor.
_REACHING = ("secretRef", "tls")


def with_cassettes(documents: list[Document], folder: Path, mode: CassetteMode) -> list[Document]:
    """Return manifests whose providers record into a folder, or replay from it.

    For a replay the agents need no key, no certificate and no tool server.
    """
    return [replace(document, value=_changed(document, folder, mode)) for document in documents]


def without_tools(documents: list[Document]) -> list[Document]:
    """Return manifests whose agents have no tools."""
    return [replace(document, value=_toolless(document)) for document in documents]


def _changed(document: Document, folder: Path, mode: CassetteMode) -> JsonObject:
    value, spec = document.value, document.value.get("spec")
    if value.get("apiVersion") != API_VERSION or not isinstance(spec, dict):
        return value
    name = document.name
    if document.namespace != DEFAULT_NAMESPACE:
        name = f"{document.namespace}.{name}"
    if document.kind == Kind.PROVIDER:
        return {**value, "spec": _recorded(spec, folder / f"provider.{name}.jsonl", mode)}
    if document.kind == Kind.AGENT_RUNTIME:
        inline = spec.get("provider")
        if isinstance(inline, dict):
            file = folder / f"agent.{name}.jsonl"
            value = {**value, "spec": {**spec, "provider": _recorded(inline, file, mode)}}
        if mode is CassetteMode.REPLAY:
            value = _toolless(replace(document, value=value))
    return value


def _recorded(settings: JsonObject, file: Path, mode: CassetteMode) -> JsonObject:
    left_out = _REACHING if mode is CassetteMode.REPLAY else ()
    kept = {name: each for name, each in settings.items() if name not in left_out}
    return {**kept, "cassette": {"mode": mode.value, "path": str(file)}}


def _toolless(document: Document) -> JsonObject:
    value, spec = document.value, document.value.get("spec")
    if document.kind != Kind.AGENT_RUNTIME or not isinstance(spec, dict):
        return value
    kept = {name: each for name, each in spec.items() if name != "toolRegistryRef"}
    return {**value, "spec": kept}


@contextlib.contextmanager
def recorded_into(folder: Path) -> Iterator[Path]:
    """Yield an empty folder; its files replace those of `folder` when nothing goes wrong.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".recording-", dir=folder) as fresh:
        yield Path(fresh)
        for file in sorted(Path(fresh).iterdir()):
            file.replace(folder / file.name)
