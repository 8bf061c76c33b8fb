"""Text files of a folder: Markdown with front matter, and YAML, with the line of every value."""

from pathlib import Path

from msgspec import Struct

from omnia_cli.manifests import MANIFEST_LIMITS, ManifestError
from omnia_core.documents import DocumentInvalid, Lines, read_manifests
from omnia_core.files.reading import read_file
from omnia_core.jsonvalue import JsonObject

_FENCE = "---"


class FrontMatter(Struct, frozen=True):
    """A Markdown file.

    Attributes:
        fields: the YAML between the two lines `---`.
        lines: of its values, counted from the first line of the file.
        text: what follows; without one empty line at its begin, and one line break at its end.
        text_line: the line of the file at which the text begins, counted from 1.
    """

    fields: JsonObject
    lines: Lines
    text: str
    text_line: int


def read_text(file: Path) -> str:
    """Return the text of a file; every line ends in a line feed.

    Raises:
        ManifestError: it cannot be read.
    """
    try:
        return read_file(str(file)).decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise ManifestError(file, None, f"the file cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ManifestError(
            file, line, "this is not UTF-8: save the file with this encoding"
        ) from error


def read_mapping(file: Path, text: str, before: int = 0) -> tuple[JsonObject, Lines]:
    """Return the fields of YAML text and their lines; `before` lines of the file precede it.

    Raises:
        ManifestError: the text is no mapping.
    """
    try:
        documents = read_manifests("\n" * before + text, MANIFEST_LIMITS)
    except DocumentInvalid as error:
        raise ManifestError(file, error.line, error.message) from error
    found = [document for document in documents if document.value is not None]
    if not found:
        return {}, Lines(before or None)
    if len(found) > 1:
        line = found[1].lines.line
        raise ManifestError(file, line, "there is a second document: remove it, and its line ---")
    if not isinstance(found[0].value, dict):
        raise ManifestError(
            file, found[0].lines.line, "expected fields such as `name: Support`, one on each line"
        )
    return found[0].value, found[0].lines


def read_markdown(file: Path) -> FrontMatter:
    """Read a Markdown file; front matter is optional.

    Raises:
        ManifestError: the file cannot be read, or its front matter is invalid.
    """
    text = read_text(file)
    lines = text.split("\n")
    if lines[0].rstrip() != _FENCE:
        return FrontMatter({}, Lines(1), text.removesuffix("\n"), 1)
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), 0)
    if not end:
        raise ManifestError(
            file, 1, "the front matter that begins here has no end: add a line --- after its fields"
        )
    fields, places = read_mapping(file, "\n".join(lines[1:end]) + "\n", before=1)
    rest = lines[end + 1 :]
    dropped = 1 if len(rest) > 1 and not rest[0] else 0
    body = "\n".join(rest[dropped:]).removesuffix("\n")
    return FrontMatter(fields, places, body, end + 2 + dropped)
