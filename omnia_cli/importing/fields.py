"""The fields of an untrusted object.

Every field is read by name; `finish` says of each that was not read that it is dropped, so nothing
is lost in silence. A value of another type than expected is named and counts as absent.
"""

from collections.abc import Iterable
from typing import Any, Self

from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.sources import Source, plain
from omnia_core.documents import ValuePath
from omnia_core.jsonvalue import JsonObject

PLACEHOLDER = "replace-me"
_LARGEST = 1e15
PLACEHOLDER_URL = "https://replace-me.example.invalid"


class Asked(str):
    """A placeholder, and what to write in its place."""

    __slots__ = ("what",)
    what: str

    def __new__(cls, what: str, value: str = PLACEHOLDER) -> Self:
        made = super().__new__(cls, value)
        made.what = " ".join(what.split())
        return made


class Fields:
    """The fields of the object at `path` of a source."""

    def __init__(self, source: Source, value: Any, path: ValuePath = ()) -> None:
        self.source, self.path = source, path
        self._value: JsonObject = value if isinstance(value, dict) else {}
        self._known: set[str] = set()
        self._whole: set[str] = set()
        """Names of fields that are dealt with together with all that they hold."""
        self._inner: dict[ValuePath, Fields] = {}

    def __bool__(self) -> bool:
        return bool(self._value)

    def __contains__(self, name: str) -> bool:
        return self._value.get(name) is not None

    def raw(self, name: str) -> Any:
        """Return a value as it is, and count it as read with all that it holds."""
        self._whole.add(name)
        return self._take(name)

    def text(self, name: str) -> str | None:
        """Return a text; numbers are texts that lost their quotes."""
        value = self._take(name)
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        self._wrong(name, value, "text")
        return None

    def integer(self, name: str) -> int | None:
        """Return a whole number, also one that is written as text."""
        number = self.number(name)
        if number is None:
            return None
        if number == int(number):
            return int(number)
        self._wrong(name, number, "a whole number")
        return None

    def number(self, name: str) -> float | None:
        """Return a number, also one that is written as text."""
        value = self._take(name)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            self._wrong(name, value, "a number")
            return None
        try:
            number = float(value)
        except (ValueError, OverflowError):
            self._wrong(name, value, "a number")
            return None
        if abs(number) >= _LARGEST or number != number:  # noqa: PLR0124 - NaN
            self._wrong(name, value, "a number")
            return None
        return number

    def flag(self, name: str) -> bool | None:
        """Return true or false."""
        value = self._take(name)
        if isinstance(value, bool):
            return value
        self._wrong(name, value, "true or false")
        return None

    def texts(self, name: str) -> list[str]:
        """Return a list of texts; other entries are named."""
        value = self._take(name)
        if not isinstance(value, list):
            self._wrong(name, value, "a list")
            return []
        good = [entry for entry in value if isinstance(entry, str)]
        if len(good) != len(value):
            self.note(NoteKind.ASKED, "expected a list of texts; other entries are left out", name)
        return good

    def mapping(self, name: str) -> dict[str, str]:
        """Return an object of texts; entries of another type are named."""
        inner = self.object(name)
        found = {key: inner.text(key) for key in inner.names()}
        return {key: value for key, value in found.items() if value is not None}

    def object(self, name: str) -> "Fields":
        """Return the object below a name, without fields when there is none."""
        value = self._take(name)
        if not isinstance(value, dict):
            self._wrong(name, value, "an object")
        return self._child(value, (name,))

    def objects(self, name: str) -> list["Fields"]:
        """Return a list of objects; other entries are named."""
        value = self._take(name)
        if not isinstance(value, list):
            self._wrong(name, value, "a list")
            return []
        found = []
        for index, entry in enumerate(value):
            if isinstance(entry, dict):
                found.append(self._child(entry, (name, index)))
            else:
                self.source.note(
                    NoteKind.ASKED,
                    f"expected an object, found {plain(entry)}: it is left out",
                    (*self.path, name, index),
                )
        return found

    def names(self) -> list[str]:
        """Return the names of the fields with a value."""
        return [name for name, value in self._value.items() if value is not None]

    def note(self, kind: NoteKind, message: str, name: str = "") -> None:
        """Say what happened to a field, or to the object as a whole."""
        if name:
            self._known.add(name)
        self.source.note(kind, message, (*self.path, name) if name else self.path)

    def drop(self, reason: str, *names: str) -> None:
        """Drop the fields that are there, for one reason."""
        self._told(NoteKind.DROPPED, reason, names)

    def lack(self, reason: str, *names: str) -> None:
        """Say of the fields that are there that they have no equivalent."""
        self._told(NoteKind.NO_EQUIVALENT, reason, names)

    def ask(self, what: str, name: str = "", value: str = PLACEHOLDER) -> Asked:
        """Return a placeholder, and say what to write in its place."""
        self.note(NoteKind.ASKED, what, name)
        return Asked(what, value)

    def known(self, *names: str) -> None:
        """Count fields as read about which there is nothing to say."""
        self._known.update(names)
        self._whole.update(names)

    def unread(self) -> list[str]:
        """Return the names of the fields that were not read yet."""
        return [name for name in self.names() if name not in self._known]

    def finish(self) -> None:
        """Say of each field that was not read that it is dropped."""
        for name in self.unread():
            reason = "it is not known to omnia import"
            self.source.note(NoteKind.DROPPED, reason, (*self.path, name))
        for steps, inner in self._inner.items():
            if steps[0] not in self._whole:
                inner.finish()

    def _told(self, kind: NoteKind, reason: str, names: Iterable[str]) -> None:
        for name in names:
            if name in self:
                self.note(kind, reason, name)
            self.known(name)

    def _child(self, value: Any, steps: ValuePath) -> "Fields":
        if steps not in self._inner:
            self._inner[steps] = Fields(self.source, value, (*self.path, *steps))
        return self._inner[steps]

    def _take(self, name: str) -> Any:
        self._known.add(name)
        return self._value.get(name)

    def _wrong(self, name: str, value: Any, expected: str) -> None:
        if value is not None:
            self.note(
                NoteKind.ASKED, f"expected {expected}, found {plain(value)}: it is left out", name
            )
