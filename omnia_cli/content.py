"""A text inside a manifest, such as a file in a ConfigMap, and the lines of its places."""

import re

from msgspec import structs

from omnia_cli.findings import Finding, Severity, about
from omnia_cli.manifests import MANIFEST_LIMITS, Document, text_of
from omnia_core.documents import ValuePath, read_manifests

# `pack.json: |`: every line of the text is a line of the file
_BLOCK = re.compile(r":\s*\|[-+0-9]*\s*(?:#.*)?$")


class Content:
    """The text at a place of a manifest."""

    def __init__(self, document: Document, path: ValuePath, text: str) -> None:
        self._document = document
        self._path = path
        self._text = text
        lines = [] if document.origin else text_of(document.file).splitlines()
        self._is_block = bool(lines and _BLOCK.search(lines[document.line(path) - 1]))

    def at_line(self, line: int, message: str, severity: Severity) -> Finding:
        """Return a finding about a line of the text, counted from 0."""
        found = about(self._document, self._path, message, severity)
        return structs.replace(found, line=found.line + 1 + line) if self._is_block else found

    def at(self, place: ValuePath, message: str, severity: Severity) -> Finding:
        """Return a finding about a place in the text, which is JSON or YAML."""
        if self._document.origin:
            file, line = self._document.origin.place(place, message)
            finding = about(self._document, self._path, message, severity)
            return structs.replace(finding, file=str(file), line=line, path="")
        try:
            (found,) = read_manifests(self._text, MANIFEST_LIMITS)
        except ValueError:
            return self.at_line(0, message, severity)
        return self.at_line(found.lines.at(place).line - 1, message, severity)
