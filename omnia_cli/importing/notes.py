"""What an import says about each value of its input that is not simply mapped."""

from enum import StrEnum

from msgspec import Struct

from omnia_cli.manifests import located


class NoteKind(StrEnum):
    """What happened to a value."""

    ASKED = "asked"
    """A placeholder is in its place."""
    NO_EQUIVALENT = "no equivalent yet"
    CHANGED = "changed"
    MOVED = "moved"
    KEPT = "kept"
    DROPPED = "dropped"
    SKIPPED = "skipped"


OPEN = frozenset({NoteKind.ASKED, NoteKind.NO_EQUIVALENT})
"""What a person has to look at before the manifests are used."""


class ImportNote(Struct, frozen=True, rename={"kind": "class", "object_kind": "kind"}):
    """One line of the report; `path` is written as `spec.tools[0]`, "" for the whole object."""

    file: str
    line: int | None
    object_kind: str
    namespace: str
    name: str
    path: str
    kind: NoteKind
    message: str

    def __str__(self) -> str:
        return f"{located(self.file, self.line)}: {self.kind}: {self.subject}: {self.text}"

    @property
    def subject(self) -> str:
        """`Kind namespace/name`."""
        names = "/".join(filter(None, (self.namespace, self.name)))
        return f"{self.object_kind} {names}".strip()

    @property
    def text(self) -> str:
        """The message with the path before it."""
        return f"{self.path}: {self.message}" if self.path else self.message
