"""Read manifests as `kubectl apply -f` does, and remember the line of every value."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from omnia_core.jsonvalue import JsonObject

SUFFIXES = (".yaml", ".yml", ".json")
DEFAULT_NAMESPACE = "default"

ValuePath = tuple[str | int, ...]


class ManifestError(Exception):
    """A file that cannot be read as manifests; `line` counts from 1."""

    def __init__(self, file: Path, line: int, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}")
        self.file = file
        self.line = line
        self.message = message


@dataclass(frozen=True)
class Document:
    """One object of a manifest file, and the line of each of its values."""

    file: Path
    value: JsonObject
    lines: Mapping[ValuePath, int] = field(repr=False)

    @property
    def kind(self) -> str:
        """The object's kind, "" when it has none."""
        return str(self.value.get("kind") or "")

    @property
    def name(self) -> str:
        """The object's name, "" when it has none."""
        return str(self._metadata.get("name") or "")

    @property
    def namespace(self) -> str:
        """The object's namespace, `default` when it names none."""
        return str(self._metadata.get("namespace") or DEFAULT_NAMESPACE)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def title(self) -> str:
        """`Kind/name`, with the namespace between them when it is not the default."""
        names = (self.name,) if self.namespace == DEFAULT_NAMESPACE else (self.namespace, self.name)
        return "/".join((self.kind or "object", *names))

    def line(self, path: ValuePath) -> int:
        """Return the line of the value at `path`, or of the nearest one that contains it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    @property
    def _metadata(self) -> Mapping[str, Any]:
        metadata = self.value.get("metadata")
        return metadata if isinstance(metadata, dict) else {}


def manifest_files(paths: Sequence[Path]) -> list[Path]:
    """List the manifest files among `paths`: files as named, folders without their subfolders.

    Raises:
        ManifestError: a path does not exist, or a folder holds no manifest.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(
                file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file()
            )
            if not inside:
                raise ManifestError(
                    path, 1, f"the folder has no file ending in {', '.join(SUFFIXES)}"
                )
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise ManifestError(path, 1, "there is no such file or folder")
    return files


def load(paths: Sequence[Path]) -> list[Document]:
    """Read every object in `paths`.

    Raises:
        ManifestError: a file is no YAML, or holds something other than objects.
    """
    return [document for file in manifest_files(paths) for document in load_file(file)]


def load_file(file: Path) -> list[Document]:
    """Read every object in one file; the items of a List stand for themselves.

    Raises:
        ManifestError: see `load`.
    """
    try:
        text = file.read_text(encoding="utf-8")
        nodes = list(yaml.compose_all(text, Loader=_Loader))
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(file, 1, f"the file cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ManifestError(file, line, f"the file is not YAML: {error.problem}") from error
    return [document for node in nodes if node for document in _documents(file, node)]


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: a date is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _documents(file: Path, node: yaml.Node) -> Iterator[Document]:
    lines: dict[ValuePath, int] = {}
    value = _construct(file, node, (), lines)
    if value is None:
        return
    if not isinstance(value, dict):
        line = node.start_mark.line + 1
        raise ManifestError(file, line, "expected an object with apiVersion, kind and metadata")
    if value.get("kind") != "List":
        yield Document(file, value, lines)
        return
    for index, item in enumerate(value.get("items") or []):
        prefix: ValuePath = ("items", index)
        inner = {path[2:]: line for path, line in lines.items() if path[:2] == prefix}
        yield Document(file, item if isinstance(item, dict) else {}, inner)


def _construct(file: Path, node: yaml.Node, path: ValuePath, lines: dict[ValuePath, int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(file, node, path, lines)
    if isinstance(node, yaml.SequenceNode):
        return [
            _construct(file, item, (*path, index), lines) for index, item in enumerate(node.value)
        ]
    try:
        constructor = yaml.constructor.SafeConstructor()
        return constructor.construct_document(node)
    except (yaml.MarkedYAMLError, ValueError) as error:
        raise ManifestError(file, node.start_mark.line + 1, str(error)) from error


def _mapping(
    file: Path, node: yaml.MappingNode, path: ValuePath, lines: dict[ValuePath, int]
) -> JsonObject:
    yaml.constructor.SafeConstructor().flatten_mapping(node)
    found: JsonObject = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key in found:
            raise ManifestError(file, line, f'the key "{key}" stands here twice')
        lines[(*path, key)] = line
        found[key] = _construct(file, value_node, (*path, key), lines)
    return found
