"""The events of a stream that the typed decoder of a format cannot read, or that say nothing."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from omnia_core.jsonvalue import JsonObject
from omnia_runtime.providers.lenient import loads
from omnia_runtime.providers.sse import NamedEvent
from omnia_runtime.providers.vendor_errors import (
    VendorFailure,
    error_text,
    reported_failure,
    stream_failure,
)

_OPENING: Final = (b"{", b"[")
_END: Final = b"[DONE]"
# What may stand between events in one line, or in lines that no empty line separates.
_BETWEEN: Final = re.compile(r"(?:\s|data:|\[DONE\])*")


class UnexpectedEvents:
    """Tells objects with members of wrong types, errors, heartbeats and broken JSON apart."""

    def __init__(self, default_status: int = 0) -> None:
        """Prepare for one answer; `default_status` is that of an error that names none."""
        self._default_status = default_status
        self._last = b""

    def objects(self, data: bytes) -> list[JsonObject]:
        """Return the objects in the data of an event; none for a heartbeat or a comment.

        Raises:
            VendorFailure: the data is broken JSON, which may be a piece of the answer, or an error.
        """
        plain = data.strip()
        if not plain:
            return []
        try:
            found = [loads(plain)]
        except ValueError as error:
            found = _several(plain)
            if not found and plain.startswith(_OPENING) and plain.upper() != _END:
                raise VendorFailure(
                    f"sent a malformed event ({error}): {error_text(plain)}", retry=True
                ) from error
        objects = list(_objects_in(found))
        if not objects:
            if isinstance(data, NamedEvent) and data.name == "error":
                raise stream_failure(error_text(plain), self._default_status)
            self._last = plain
        return objects

    def unread(self, event: JsonObject, data: bytes) -> None:
        """Keep an event that is not part of the answer, for the message of an early end.

        Raises:
            VendorFailure: the event reports an error.
        """
        name = data.name if isinstance(data, NamedEvent) else ""
        failure = reported_failure(event, name, self._default_status)
        if failure is not None:
            raise failure
        self._last = data

    def early_end(self) -> VendorFailure:
        """Return the failure for a stream that ended before its answer."""
        words = f"; the last that it sent: {error_text(self._last)}" if self._last else ""
        return VendorFailure(f"ended its stream before its answer{words}", retry=True)


def is_done_marker(data: bytes) -> bool:
    """Whether the data of an event is `[DONE]`."""
    return data.strip().upper() == _END


def _objects_in(values: list[Any]) -> Iterator[JsonObject]:
    for value in values:
        if isinstance(value, dict):
            yield value
        elif isinstance(value, list):
            yield from _objects_in(value)


def _several(data: bytes) -> list[Any]:
    """Decode events that a server did not separate by empty lines; [] if one of them is broken."""
    decoder, text, position = json.JSONDecoder(strict=False), data.decode(errors="replace"), 0
    found: list[Any] = []
    try:
        while between := _BETWEEN.match(text, position):
            if between.end() == len(text):
                return found
            _, position = decoder.raw_decode(text, between.end())
            found.append(loads(text[between.end() : position].encode(errors="replace")))
    except (ValueError, RecursionError):
        pass
    return []
