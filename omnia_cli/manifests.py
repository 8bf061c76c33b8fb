"""Read manifests as `kubectl apply -f` does, and remember the line of every value."""

import errno
import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from omnia_core.documents import DocumentInvalid, Limits, Lines, ValuePath, read_manifests
from omnia_core.files.reading import LARGEST_FILE, read_file
from omnia_core.jsonvalue import JsonObject
from omnia_core.suggestions import listed

SUFFIXES = (".yaml", ".yml", ".json")
DEFAULT_NAMESPACE = "default"
# As kubectl names standard input.
STDIN = Path("-")

# A file may have several packs, each in a ConfigMap, and CustomResourceDefinitions.
MANIFEST_LIMITS = Limits(yaml_characters=16 * 1024 * 1024, yaml_values=1_000_000)


class ManifestError(Exception):
    """A file that cannot be read as manifests; `line` counts from 1, None: it is not known."""

    def __init__(self, file: Path, line: int | None, message: str) -> None:
        super().__init__(f"{located(file, line)}: {message}")
        self.file = file
        self.line = line
        self.message = message


def located(file: object, line: int | None) -> str:
    """Return `FILE:LINE`, or the file alone where no line is known."""
    return f"{file}" if line is None else f"{file}:{line}"


class Origin(Protocol):
    """The files of a folder from which the content of an object was made."""

    def place(self, path: ValuePath, message: str) -> tuple[Path, int | None]:
        """Return file and line of the value that a message is about."""


@dataclass(frozen=True)
class Document:
    """One object of a manifest file, and the line of each of its values.

    Attributes:
        origin: of an object that stands for a folder.
    """

    file: Path
    value: JsonObject
    lines: Lines = field(repr=False)
    origin: Origin | None = field(default=None, repr=False, compare=False)

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
        if not self.name:
            return self.kind or "object"
        names = (self.name,) if self.namespace == DEFAULT_NAMESPACE else (self.namespace, self.name)
        return "/".join((self.kind or "object", *names))

    @property
    def data(self) -> Mapping[str, Any]:
        """The data of a ConfigMap, nothing when they are no mapping."""
        data = self.value.get("data")
        return data if isinstance(data, dict) else {}

    def line(self, path: ValuePath) -> int | None:
        """Return the line of the value at `path`, or of the nearest one that contains it.

        None of an object that stands for a folder.
        """
        return self.lines.at(path).line

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
        if path == STDIN:
            files.append(path)
        elif path.is_dir():
            inside = sorted(
                file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file()
            )
            if not inside:
                raise ManifestError(path, None, f"{_EMPTY}{_similar(path)}")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise ManifestError(path, None, "there is no such file or folder: check the path")
    return files


_EMPTY = (
    f"the folder has no file ending in {', '.join(SUFFIXES)}: name files or another folder, or make"
    " one with `omnia init`"
)


def _similar(folder: Path) -> str:
    """Return the end of a sentence with files whose suffix is written with capitals, or ""."""
    capitals = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    return f"; rename {listed(capitals)}: suffixes have small letters" if capitals else ""


def load(paths: Sequence[Path]) -> list[Document]:
    """Read every object in `paths`.

    Raises:
        ManifestError: a file is no YAML, or holds something other than objects.
    """
    return [document for file in manifest_files(paths) for document in load_file(file)]


def text_of(file: Path) -> str:
    """Return the text of a manifest file; `-` is standard input, which is read once.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: it is no text.
    """
    return _standard_input() if file == STDIN else read_file(str(file)).decode()


def lines_of(file: Path) -> Sequence[str]:
    """Return the lines of a manifest file; none if it can no longer be read."""
    try:
        state = None if file == STDIN else file.stat()
        return _lines(file, (state.st_mtime_ns, state.st_size) if state else ())
    except (OSError, UnicodeDecodeError):
        return ()


# Each object of a file may have findings about its texts.
@functools.lru_cache(maxsize=1)
def _lines(file: Path, _state: tuple[int, ...]) -> Sequence[str]:
    return text_of(file).splitlines()


@functools.cache
def _standard_input() -> str:
    content = sys.stdin.buffer.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise OSError(errno.EFBIG, f"larger than {LARGEST_FILE >> 20} MiB", "standard input")
    return content.decode()


_NOT_UTF8 = "this is not text in UTF-8: save it with this encoding, or name another file"


def readable_text(file: Path) -> str:
    """Return the text of a manifest file, as `text_of`.

    Raises:
        ManifestError: the file cannot be read, or is no text.
    """
    try:
        return text_of(file)
    except OSError as error:
        raise ManifestError(file, None, f"the file cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ManifestError(file, line, _NOT_UTF8) from error


def load_file(file: Path) -> list[Document]:
    """Read every object in one file; the items of a List stand for themselves.

    Raises:
        ManifestError: see `load`.
    """
    text = readable_text(file)
    try:
        found = read_manifests(text, MANIFEST_LIMITS)
    except DocumentInvalid as error:
        raise ManifestError(file, error.line, error.message) from error
    return [document for read in found for document in documents_in(file, read.value, read.lines)]


def documents_in(file: Path, value: Any, lines: Lines) -> Iterator[Document]:
    """Yield the objects of one YAML document; the items of a List stand for themselves.

    Raises:
        ManifestError: it is no object.
    """
    if value is None:
        return
    if not isinstance(value, dict):
        raise ManifestError(
            file, lines.line, "expected an object with apiVersion, kind and metadata"
        )
    if value.get("kind") != "List":
        yield Document(file, value, lines)
        return
    items = value.get("items") or []
    for index, item in enumerate(items if isinstance(items, list) else []):
        inner = lines.at(("items", index))
        yield Document(file, item if isinstance(item, dict) else {}, inner)
