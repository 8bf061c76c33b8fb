"""The mock provider's response file."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct, field

from omnia_core.documents import ValuePath
from omnia_core.errors import ConfigurationError
from omnia_core.files.reading import decode_yaml, read_text
from omnia_core.jsonvalue import map_strings
from omnia_core.templates import Template, TemplateInvalid, compile_template, parse_path

T = TypeVar("T")


class MockCall(Struct, frozen=True):
    """A tool call that the mock requests."""

    name: str
    arguments: Any = field(default_factory=dict)


class MockError(Struct, frozen=True):
    """A failure that the mock simulates: an HTTP status, or a kind of failure."""

    status: int = 0
    kind: Literal["", "rate_limit", "overloaded", "timeout", "connection", "auth", "invalid"] = ""
    message: str = ""
    retry_after: float | None = None


class MockUsage(Struct, frozen=True):
    """The token counts that the mock reports."""

    input_tokens: int | None = None
    output_tokens: int | None = None


class MockPlayback(Struct, frozen=True, kw_only=True):
    """How an answer is played back; None means the default of the file, which may be None too."""

    latency_ms: float | None = None
    inter_chunk_ms: float | None = None
    chunk_size: int | None = None
    error: MockError | None = None
    usage: MockUsage | None = None

    def over(self, base: "MockPlayback") -> "MockPlayback":
        """Fill in the fields that are None from `base`."""
        return MockPlayback(
            latency_ms=base.latency_ms if self.latency_ms is None else self.latency_ms,
            inter_chunk_ms=base.inter_chunk_ms
            if self.inter_chunk_ms is None
            else self.inter_chunk_ms,
            chunk_size=self.chunk_size or base.chunk_size,
            error=self.error or base.error,
            usage=self.usage or base.usage,
        )


class MockTurn(MockPlayback, frozen=True, kw_only=True):
    """A scripted answer, without templates."""

    type: Literal["text", "tool_calls", "multimodal"] = "text"
    content: str | None = None
    text: str | None = None
    response: str | None = None
    parts: list[dict[str, Any]] = field(default_factory=list)
    tool_calls: list[MockCall] = field(default_factory=list)

    def answer_text(self) -> str:
        """Return the text of the answer: the first of the three keys, or the texts of the parts."""
        for text in (self.content, self.text, self.response):
            if text is not None:
                return text
        return "".join(str(part.get("text", "")) for part in self.parts)


class MockMatch(MockPlayback, frozen=True, kw_only=True):
    """An answer to messages that match; the strings of the answer are templates."""

    when: Literal["message", "tool_result"] = "message"
    path: str | None = None
    contains: str | None = None
    regex: str | None = None
    content: str | None = None
    json: Any = None
    tool_calls: list[MockCall] = field(default_factory=list)


class MockRule(Struct, frozen=True):
    """A compiled match: the strings in `json` and in the arguments are `Template`s."""

    match: MockMatch
    path: tuple[str | int, ...] | None
    pattern: re.Pattern[str] | None
    content: Template | None
    json: Any
    calls: tuple[MockCall, ...]


class MockScenario(Struct, frozen=True):
    """The answers of one scenario."""

    turns: dict[int, MockTurn] = field(default_factory=dict)
    steps: dict[str, MockTurn] = field(default_factory=dict)
    rules: tuple[MockRule, ...] = ()
    default: str | None = None


class MockResponses(Struct, frozen=True):
    """The parsed file."""

    scenarios: dict[str, MockScenario] = field(default_factory=dict)
    rules: tuple[MockRule, ...] = ()
    default: str | None = None
    playback: MockPlayback = MockPlayback()


class _File(MockPlayback, frozen=True, kw_only=True):
    default: str | None = field(default=None, name="defaultResponse")
    scenarios: dict[str, Any] | None = None
    matches: list[Any] | None = None


class _Scenario(Struct, frozen=True):
    default: str | None = field(default=None, name="defaultResponse")
    turns: dict[Any, Any] | None = None
    steps: dict[Any, Any] | None = None
    matches: list[Any] | None = None


class ResponsesInvalid(ConfigurationError):
    """A response file that cannot be used.

    Attributes:
        path: the place in the file.
        problem: the message without its place.
    """

    def __init__(self, place: "_Place", problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.path = place.path
        self.problem = problem


def read_responses(path: str) -> MockResponses:
    """Read a response file.

    Raises:
        ConfigurationError: the file is invalid; the message says where.
    """
    return parse_responses(read_text(path), path)


def parse_responses(text: str, what: str) -> MockResponses:
    """Parse a response file; `what` begins error messages.

    Raises:
        ConfigurationError: the file is invalid; the message says where.
    """
    return build_responses(decode_yaml(text, Any, what), what) if text.strip() else MockResponses()


def build_responses(value: Any, what: str) -> MockResponses:
    """Build the responses from the content of a file; `what` begins error messages.

    Raises:
        ResponsesInvalid: the content is invalid.
    """
    top = _Place(what)
    file = _convert(value, _File, top)
    scenarios = top.at("scenarios")
    return MockResponses(
        {name: _scenario(raw, scenarios.at(name)) for name, raw in (file.scenarios or {}).items()},
        _rules(file.matches, top),
        file.default,
        MockPlayback().over(file),
    )


def unknown_fields(value: Any) -> Iterator[tuple[ValuePath, list[str]]]:
    """Yield the place of each field that nothing reads, and the fields that are read there."""
    if not isinstance(value, dict):
        return
    yield from _unknown(value, _File, ())
    yield from _unknown_matches(value, ())
    for name, scenario in _items(value.get("scenarios")):
        at: ValuePath = ("scenarios", name)
        yield from _unknown(scenario, _Scenario, at)
        yield from _unknown_matches(scenario, at)
        for group in ("turns", "steps"):
            for key, turn in _items(scenario.get(group) if isinstance(scenario, dict) else None):
                yield from _unknown(turn, MockTurn, (*at, group, key))


def _unknown(
    value: Any, shape: type[Struct], at: ValuePath
) -> Iterator[tuple[ValuePath, list[str]]]:
    known = [each.encode_name for each in msgspec.structs.fields(shape)]
    for key in value if isinstance(value, dict) else ():
        if key not in known:
            yield (*at, str(key)), known


def _unknown_matches(value: Any, at: ValuePath) -> Iterator[tuple[ValuePath, list[str]]]:
    matches = value.get("matches") if isinstance(value, dict) else None
    for index, match in enumerate(matches if isinstance(matches, list) else ()):
        yield from _unknown(match, MockMatch, (*at, "matches", index))


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    return value.items() if isinstance(value, Mapping) else ()


class _Place(Struct, frozen=True):
    """A place in a file."""

    what: str
    path: ValuePath = ()

    def at(self, *steps: str | int) -> "_Place":
        """Return a place below this one."""
        return _Place(self.what, (*self.path, *steps))

    def __str__(self) -> str:
        steps = "".join(
            f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path
        ).lstrip(".")
        return f"{self.what}: {steps}" if steps else self.what


def _scenario(raw: Any, place: _Place) -> MockScenario:
    found = _convert({} if raw is None else raw, _Scenario, place)
    turns, steps = place.at("turns"), place.at("steps")
    return MockScenario(
        {
            _number(number, turns): _turn(turn, turns.at(str(number)))
            for number, turn in (found.turns or {}).items()
        },
        {str(step): _turn(turn, steps.at(str(step))) for step, turn in (found.steps or {}).items()},
        _rules(found.matches, place),
        found.default,
    )


def _number(key: Any, place: _Place) -> int:
    if not str(key).isdecimal() or int(str(key)) < 1:
        raise ResponsesInvalid(place, f"expected a number of at least 1, found {key!r}")
    return int(str(key))


def _turn(raw: Any, place: _Place) -> MockTurn:
    if isinstance(raw, str):
        return MockTurn(content=raw)
    return _convert(raw, MockTurn, place)


def _rules(raw: list[Any] | None, place: _Place) -> tuple[MockRule, ...]:
    return tuple(_rule(match, place.at("matches", index)) for index, match in enumerate(raw or []))


def _rule(raw: Any, place: _Place) -> MockRule:
    match = _convert(raw, MockMatch, place)

    def compiled(text: str) -> Template:
        try:
            return compile_template(text, "")
        except TemplateInvalid as error:
            raise ResponsesInvalid(place, error.problem) from error

    try:
        pattern = re.compile(match.regex) if match.regex is not None else None
    except re.error as error:
        raise ResponsesInvalid(
            place.at("regex"),
            f"this is no regular expression: {error}: correct it, or find plain text with contains",
        ) from error
    calls = (
        MockCall(call.name, map_strings(call.arguments, compiled)) for call in match.tool_calls
    )
    return MockRule(
        match,
        None if match.path is None else parse_path(match.path, str(place.at("path"))),
        pattern,
        None if match.content is None else compiled(match.content),
        map_strings(match.json, compiled),
        tuple(calls),
    )


def _convert(raw: Any, shape: type[T], place: _Place) -> T:
    try:
        return msgspec.convert(raw, shape)
    except msgspec.ValidationError as error:
        raise ResponsesInvalid(place, str(error)) from error
