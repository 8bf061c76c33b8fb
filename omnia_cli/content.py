"""A text inside a manifest, such as a file in a ConfigMap, and the lines of its places."""

import re
from functools import cached_property

from msgspec import structs

from omnia_cli.findings import Finding, Severity, about
from omnia_cli.manifests import MANIFEST_LIMITS, Document, lines_of
from omnia_core.documents import Lines, ValuePath, read_manifests

# `pack.json: |`: every line of the text is a line of the file
_BLOCK = re.compile(r":\s*\|[-+0-9]*\s*(?:#.*)?$")


class Content:
    """The text at a place of a manifest."""

    def __init__(self, document: Document, path: ValuePath, text: str) -> None:
        self._document = document
        self._path = path
        self._text = text

    @cached_property
    def _is_block(self) -> bool:
        lines = [] if self._document.origin else lines_of(self._document.file)
        line = self._document.line(self._path)
        return line is not None and line <= len(lines) and bool(_BLOCK.search(lines[line - 1]))

    @cached_property
    def _lines(self) -> Lines | None:
        """The lines of its values; None if it cannot be read as JSON or YAML."""
        try:
            (found,) = read_manifests(self._text, MANIFEST_LIMITS)
        except ValueError:
            return None
        return found.lines

    def at_line(self, line: int, message: str, severity: Severity) -> Finding:
        """Return a finding about a line of the text, counted from 0."""
        found = about(self._document, self._path, message, severity)
        if found.line is None or not self._is_block:
            return found
        return structs.replace(found, line=found.line + 1 + line)

    def at(self, place: ValuePath, message: str, severity: Severity) -> Finding:
        """Return a finding about a place in the text, which is JSON or YAML."""
        if self._document.origin:
            file, line = self._document.origin.place(place, message)
            finding = about(self._document, self._path, message, severity)
            return structs.replace(finding, file=str(file), line=line, path="")
        line = self._lines.at(place).line if self._lines else None
        return self.at_line((line or 1) - 1, message, severity)
