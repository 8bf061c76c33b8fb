"""The content of a PromptPack, where its ConfigMap is among the manifests."""

import json
import re
from collections.abc import Iterator

from msgspec import structs

from omnia_cli.findings import Finding, Severity, about
from omnia_cli.manifests import MANIFEST_LIMITS, Document
from omnia_core.documents import ValuePath, read_manifests
from omnia_core.errors import ConfigurationError
from omnia_core.files.pack import DEFAULT_PROMPT, Pack
from omnia_core.files.pack.issues import IssuePath
from omnia_core.files.pack.parse import read_pack

# `pack.json: |`: every line of the text is a line of the file
_BLOCK = re.compile(r":\s*\|[-+0-9]*\s*(?:#.*)?$")


def check_content(
    document: Document, path: ValuePath, text: str, subject: str
) -> Iterator[Finding]:
    """Yield what is wrong with the text at `path` of a ConfigMap, and what nothing acts on."""
    what = f"the content of {subject}"
    at = _Content(document, path)
    try:
        outcome = read_pack(text, what)
    except ConfigurationError as error:
        yield at.finding(_broken(text), error.message, "error")
        return
    for issue in outcome.issues:
        yield at.finding(_line_of(text, issue.place), f"{what}: {issue}", issue.severity)
    if outcome.pack is not None:
        for message in _entry(outcome.pack):
            yield about(document, path, message, "error")
        for note in outcome.pack.not_applied():
            yield about(document, path, note, "warning")


class _Content:
    """A text in a manifest."""

    def __init__(self, document: Document, path: ValuePath) -> None:
        self._document = document
        self._path = path
        lines = document.file.read_text(encoding="utf-8").splitlines()
        self._is_block = bool(_BLOCK.search(lines[document.line(path) - 1]))

    def finding(self, line: int, message: str, severity: Severity) -> Finding:
        """Return a finding about a line of the text, counted from 0."""
        found = about(self._document, self._path, message, severity)
        return structs.replace(found, line=found.line + 1 + line) if self._is_block else found


def _entry(pack: Pack) -> Iterator[str]:
    try:
        pack.prompt(DEFAULT_PROMPT)
    except ConfigurationError as error:
        yield error.message


def _broken(text: str) -> int:
    """Return the line at which a text stops being JSON."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.lineno - 1
    except RecursionError:
        pass
    return 0


def _line_of(text: str, place: IssuePath) -> int:
    """Return the line of a place in JSON, or of the nearest one that contains it."""
    try:
        (document,) = read_manifests(text, MANIFEST_LIMITS)
    except ValueError:
        return 0
    return document.lines.at(place).line - 1
