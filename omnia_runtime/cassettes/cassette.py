"""An opened cassette: found by what was asked, and written line by line."""

import os
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import structlog

from omnia_core.errors import ConfigurationError
from omnia_core.files.cassette import (
    FORMAT,
    LARGEST_CASSETTE,
    CassetteFile,
    CassetteHeader,
    RecordedAnswer,
    RecordedResult,
    RecordedTool,
    Recording,
    header_line,
    key_of,
    read_cassette,
    recording_line,
)
from omnia_core.files.reading import read_file
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.cassettes.conversation import CONVERSATION
from omnia_runtime.cassettes.described import difference, nearest

Mode: TypeAlias = Literal["record", "replay", "auto"]
R = TypeVar("R", RecordedAnswer, RecordedResult)

_log = structlog.get_logger()


class Recordings(Generic[R]):
    """Recordings by what was asked, and for each the conversations in which it was."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, list[R]]] = defaultdict(dict)

    def add(self, key: str, recording: R) -> None:
        """Add a recording: outside of conversations it replaces an earlier one."""
        kept = self._found[key].setdefault(recording.conversation, [])
        if not recording.conversation:
            kept.clear()
        kept.append(recording)

    def find(self, key: str, conversation: str, number: int) -> R | None:
        """Return what was answered when it was asked for this time, from 0; else the last one.

        What another conversation recorded is better than nothing.
        """
        conversations = self._found.get(key)
        if not conversations:
            return None
        kept = conversations.get(conversation) or next(iter(conversations.values()))
        return kept[min(number, len(kept) - 1)]

    def all(self) -> Iterator[R]:
        """Yield one recording of each key."""
        return (next(iter(each.values()))[0] for each in self._found.values() if each)


class Cassette:
    """The recordings of a file.

    Attributes:
        recorded_at: when it was begun.
        tools: the tools that were offered.
    """

    def __init__(self, path: Path, content: CassetteFile) -> None:
        self.recorded_at = content.header.recorded_at
        self.tools: dict[str, RecordedTool] = {}
        self._path = path
        self._answers = Recordings[RecordedAnswer]()
        self._results = Recordings[RecordedResult]()
        self._full = False
        for each in content.recordings:
            self._take(each)

    def answer(self, request: JsonObject) -> RecordedAnswer | None:
        """Return the answer to a request; None if there is none."""
        key = key_of(request)
        return self._answers.find(key, *_asked(key))

    def result(self, tool: str, arguments: JsonObject) -> RecordedResult | None:
        """Return the result of a tool call; None if there is none."""
        key = key_of([tool, arguments])
        return self._results.find(key, *_asked(key))

    def miss(self, request: JsonObject) -> str:
        """Say which recorded request is nearest, and where it differs first."""
        near = nearest(request, [each.request for each in self._answers.all()])
        return _missing(f"{self._path} has no answer to this request", near, request)

    def missing_result(self, tool: str, arguments: JsonObject) -> str:
        """Say which recorded call is nearest, and where it differs first."""
        same = [each.arguments for each in self._results.all() if each.tool == tool]
        near = nearest(arguments, same)
        return _missing(f"{self._path} has no result of this call of {tool}", near, arguments)

    def record(self, recording: Recording) -> None:
        """Keep a recording, and append it to the file: a line, in one write."""
        self._take(recording)
        if self._full:
            return
        try:
            with self._path.open("ab", buffering=0) as file:
                line = recording_line(recording)
                if file.tell() + len(line) > LARGEST_CASSETTE:
                    self._full = True
                    limit = LARGEST_CASSETTE >> 20
                    _log.error("the cassette is full: nothing more is recorded", limit_mib=limit)
                    return
                file.write(line)
        except OSError as error:
            # The model was paid for this answer, so it is returned without a recording.
            _log.error("a recording was not written", path=str(self._path), reason=str(error))

    def _take(self, recording: Recording) -> None:
        match recording:
            case RecordedAnswer():
                self._answers.add(key_of(recording.request), recording)
            case RecordedResult():
                key = key_of([recording.tool, recording.arguments])
                self._results.add(key, recording)
            case RecordedTool():
                self.tools[recording.name] = recording


def _asked(key: str) -> tuple[str, int]:
    conversation = CONVERSATION.get()
    if conversation is None:
        return "", 0
    number = conversation.asked[key]
    conversation.asked[key] += 1
    return conversation.name, number


def _missing(what: str, near: Any, asked: Any) -> str:
    if near is None:
        return f"{what}, and no similar recording: record it with omnia eval --record"
    where = difference(near, asked) or "nothing"
    return f"{what}; the nearest one differs at {where}. Record it with omnia eval --record"


def open_cassette(path: str, mode: Mode) -> Cassette:
    """Open a cassette; begin it when it is to be recorded and there is none.

    Raises:
        ConfigurationError: it cannot be read, or it cannot be begun.
    """
    place = Path(path)
    try:
        if mode != "replay" and not place.exists():
            return _begun(place)
        content = read_file(path, LARGEST_CASSETTE)
    except OSError as error:
        raise ConfigurationError(
            f"the cassette {path} cannot be {'read' if mode == 'replay' else 'written'}:"
            f" {error.strerror or error}"
        ) from error
    if mode != "replay":
        content = _mended(place, content)
    return Cassette(place, read_cassette(content, path))


def _begun(place: Path) -> Cassette:
    recorded_at = datetime.now(UTC).replace(microsecond=0)
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    beside.write_bytes(header_line(recorded_at))
    beside.replace(place)
    return Cassette(place, CassetteFile(CassetteHeader(FORMAT, recorded_at)))


def _mended(place: Path, content: bytes) -> bytes:
    """Cut a last line that a killed program left unfinished: the next one would be part of it."""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(place, len(whole))
    return whole
