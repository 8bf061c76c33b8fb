"""The findings of `omnia validate`: each is about one value of one object."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from msgspec import Struct

from omnia_cli.control_characters import visible
from omnia_cli.manifests import Document, ManifestError, located
from omnia_core.documents import ValuePath
from omnia_operator.api import dotted

Severity = Literal["error", "warning"]


class Finding(Struct, frozen=True):
    """One finding; `path` is written as `spec.handlers[0].tool`, "" for the whole object.

    Attributes:
        line: counted from 1; None where the finding is about no line of the file.
    """

    file: str
    line: int | None
    object: str
    path: str
    message: str
    severity: Severity

    @property
    def place(self) -> str:
        """`FILE:LINE`, or the file alone."""
        return located(self.file, self.line)

    def __str__(self) -> str:
        where = " ".join(filter(None, (self.object, self.path)))
        said = (f"{self.place}: {self.severity}", where, self.message)
        # A file may have any name, and a finding is one line of a terminal.
        return visible(": ".join(filter(None, said))).replace("\n", "␊")


def about(document: Document, path: ValuePath, message: str, severity: Severity) -> Finding:
    """Return a finding about the value at `path` of a document."""
    return Finding(
        file=str(document.file),
        line=document.line(path),
        object=document.title,
        path=dotted(path),
        message=message,
        severity=severity,
    )


def unreadable(error: ManifestError) -> Finding:
    """Return the finding for a file that could not be read."""
    name = Path(error.file).name
    return Finding(str(error.file), error.line, name, "", error.message, "error")


def nothing(path: Path) -> Finding:
    """Return the finding for a file or folder without objects."""
    message = "there is no object in it: write one, with apiVersion, kind and metadata"
    return Finding(str(path), None, path.name, "", message, "error")


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that are errors."""
    return [finding for finding in findings if finding.severity == "error"]
