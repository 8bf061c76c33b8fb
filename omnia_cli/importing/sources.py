"""The input of an import: the objects of files, and of which kind each is."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omnia_cli.importing.names import label
from omnia_cli.importing.notes import ImportNote, NoteKind
from omnia_cli.manifests import (
    MANIFEST_LIMITS,
    Document,
    ManifestError,
    documents_in,
    manifest_files,
    readable_text,
)
from omnia_core.documents import DocumentInvalid, ValuePath, read_manifests
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import dotted

_TEMPLATE = re.compile(r"^\s*(?:[\w.-]+:\s*)?\{\{-?\s", re.MULTILINE)
_COMMENT = re.compile(r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_OPENAPI = ("openapi", "swagger")
_SERVERS = ("mcpServers", "servers")
_CREW = ("role", "goal", "backstory")
_MOST_NOTES = 5000
_MOST_OBJECTS = 5000


@dataclass
class Source:
    """One object of the input, with what is said about it."""

    document: Document
    format: str
    """`manifest`, or the kind of a file that is no object of Kubernetes: `mcp`, `openapi`, …"""
    notes: list[ImportNote] = field(default_factory=list)
    _said: set[ImportNote] = field(default_factory=set, repr=False)

    @property
    def value(self) -> JsonObject:
        """The object."""
        return self.document.value

    @property
    def group(self) -> str:
        """The group of its apiVersion, "" for the core group."""
        return self._api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version of its apiVersion."""
        return self._api_version.rpartition("/")[2]

    @property
    def kind(self) -> str:
        """Its kind, "" when it has none."""
        return self.document.kind

    @property
    def name(self) -> str:
        """Its name, "" when it has none."""
        return self.document.name

    @property
    def namespace(self) -> str:
        """Its namespace as a name of ours, "" when it names none."""
        metadata = self.value.get("metadata")
        found = metadata.get("namespace") if isinstance(metadata, dict) else None
        return label(found) if isinstance(found, str) and found else ""

    @property
    def title(self) -> str:
        """`apiVersion Kind namespace/name`, or the name of its file."""
        if self.format != "manifest":
            return self.document.file.name
        names = "/".join(filter(None, (self.namespace, self.name)))
        return f"{self._api_version} {self.kind} {names}"

    def note(self, kind: NoteKind, message: str, path: ValuePath = ()) -> None:
        """Say what happened to the value at `path`."""
        line = self.document.line(path)
        file = str(self.document.file)
        made = ImportNote(
            file,
            line,
            self.kind or "file",
            self.namespace,
            self.name or self.document.file.name,
            dotted(path),
            kind,
            " ".join(message.split()),
        )
        if made not in self._said and len(self.notes) < _MOST_NOTES:
            self._said.add(made)
            self.notes.append(made)

    @property
    def _api_version(self) -> str:
        return str(self.value.get("apiVersion") or "")


def read_sources(paths: Sequence[Path]) -> list[Source]:
    """Read every object in `paths`: files, folders without their subfolders, standard input.

    Raises:
        ManifestError: a file cannot be read, or is a template of Helm.
    """
    found: list[Source] = []
    for file in manifest_files(paths):
        found += _read_file(file)
        if len(found) > _MOST_OBJECTS:
            raise ManifestError(
                file, None, f"there are more than {_MOST_OBJECTS:,} objects: divide them"
            )
    return found


def _read_file(file: Path) -> Iterator[Source]:
    text = _text(file)
    try:
        found = read_manifests(text, MANIFEST_LIMITS)
    except DocumentInvalid as error:
        if _TEMPLATE.search(text):
            raise ManifestError(
                file,
                error.line,
                "this is a Helm template: render it first, helm template CHART | omnia import -",
            ) from error
        raise ManifestError(file, error.line, error.message) from error
    for read in found:
        if isinstance(read.value, dict) and (form := _format(read.value)):
            yield Source(Document(file, read.value, read.lines), form)
        else:
            for document in documents_in(file, read.value, read.lines):
                yield Source(document, "manifest")


def _text(file: Path) -> str:
    text = readable_text(file)
    if file.suffix == ".json":
        # Editors allow comments in their settings; lines keep their numbers.
        text = _COMMENT.sub(lambda found: found[1] or "\n" * found[0].count("\n"), text)
    return text


def _format(value: JsonObject) -> str:
    """Return the kind of a file that is no object of Kubernetes; "" for one that is."""
    if "apiVersion" in value or "kind" in value:
        return ""
    if any(isinstance(value.get(key), str | float | int) for key in _OPENAPI):
        return "openapi"
    if any(isinstance(value.get(key), dict) for key in _SERVERS):
        return "mcp"
    if isinstance(value.get("graphs"), dict):
        return "langgraph"
    entries = list(value.values())
    if entries and all(isinstance(entry, dict) for entry in entries):
        if any(key in entry for entry in entries for key in _CREW):
            return "crewai"
        if all("description" in entry and "expected_output" in entry for entry in entries):
            return "crewai tasks"
    return ""


def plain(value: Any) -> str:
    """Return what kind of value was found, in words."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "true or false" if isinstance(value, bool) else type(value).__name__
