"""The mock provider's response file."""

import re
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct, field

from omnia_core.errors import ConfigurationError
from omnia_core.files.reading import decode_yaml, read_text
from omnia_core.jsonvalue import map_strings
from omnia_core.templates import Template, compile_template, parse_path

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
    if not text.strip():
        return MockResponses()
    file = _convert(decode_yaml(text, Any, what), _File, what)
    return MockResponses(
        {
            name: _scenario(raw, f"{what}: scenarios.{name}")
            for name, raw in (file.scenarios or {}).items()
        },
        _rules(file.matches, what + ": "),
        file.default,
        MockPlayback().over(file),
    )


def _scenario(raw: Any, where: str) -> MockScenario:
    found = _convert({} if raw is None else raw, _Scenario, where)
    return MockScenario(
        {
            _number(number, where): _turn(turn, f"{where}.turns.{number}")
            for number, turn in (found.turns or {}).items()
        },
        {
            str(step): _turn(turn, f"{where}.steps.{step}")
            for step, turn in (found.steps or {}).items()
        },
        _rules(found.matches, where + "."),
        found.default,
    )


def _number(key: Any, where: str) -> int:
    if not str(key).isdecimal() or int(str(key)) < 1:
        raise ConfigurationError(f"{where}.turns: expected a number of at least 1, found {key!r}")
    return int(str(key))


def _turn(raw: Any, where: str) -> MockTurn:
    if isinstance(raw, str):
        return MockTurn(content=raw)
    return _convert(raw, MockTurn, where)


def _rules(raw: list[Any] | None, where: str) -> tuple[MockRule, ...]:
    return tuple(_rule(match, f"{where}matches[{index}]") for index, match in enumerate(raw or []))


def _rule(raw: Any, where: str) -> MockRule:
    match = _convert(raw, MockMatch, where)

    def compiled(text: str) -> Template:
        return compile_template(text, where)

    try:
        pattern = re.compile(match.regex) if match.regex is not None else None
    except re.error as error:
        raise ConfigurationError(f"{where}.regex: {error}") from error
    calls = (
        MockCall(call.name, map_strings(call.arguments, compiled)) for call in match.tool_calls
    )
    return MockRule(
        match,
        None if match.path is None else parse_path(match.path, f"{where}.path"),
        pattern,
        None if match.content is None else compiled(match.content),
        map_strings(match.json, compiled),
        tuple(calls),
    )


def _convert(raw: Any, shape: type[T], where: str) -> T:
    try:
        return msgspec.convert(raw, shape)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{where}: {error}") from error
