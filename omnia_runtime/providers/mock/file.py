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
    """A tool call that the mock asks for."""

    name: str
    arguments: Any = field(default_factory=dict)


class MockError(Struct, frozen=True):
    """A failure that the mock plays: an HTTP status, or a kind in words."""

    status: int = 0
    kind: Literal["", "rate_limit", "overloaded", "timeout", "connection", "auth", "invalid"] = ""
    message: str = ""
    retry_after: float | None = None


class MockUsage(Struct, frozen=True):
    """The tokens that the mock claims."""

    input_tokens: int | None = None
    output_tokens: int | None = None


class Pace(Struct, frozen=True, kw_only=True):
    """How an answer is played; None is "as the file says", and the file may say nothing."""

    latency_ms: float | None = None
    inter_chunk_ms: float | None = None
    chunk_size: int | None = None
    error: MockError | None = None
    usage: MockUsage | None = None

    def over(self, base: "Pace") -> "Pace":
        """Return this pace, with what it leaves open taken from `base`."""
        return Pace(
            latency_ms=base.latency_ms if self.latency_ms is None else self.latency_ms,
            inter_chunk_ms=base.inter_chunk_ms
            if self.inter_chunk_ms is None
            else self.inter_chunk_ms,
            chunk_size=self.chunk_size or base.chunk_size,
            error=self.error or base.error,
            usage=self.usage or base.usage,
        )


class Turn(Pace, frozen=True, kw_only=True):
    """A scripted answer, taken literally."""

    type: Literal["text", "tool_calls", "multimodal"] = "text"
    content: str | None = None
    text: str | None = None
    response: str | None = None
    parts: list[dict[str, Any]] = field(default_factory=list)
    tool_calls: list[MockCall] = field(default_factory=list)

    def said(self) -> str:
        """Return the text of the answer: the first of the three keys, else the parts' texts."""
        for text in (self.content, self.text, self.response):
            if text is not None:
                return text
        return "".join(str(part.get("text", "")) for part in self.parts)


class Match(Pace, frozen=True, kw_only=True):
    """An answer that depends on what was said; the strings of the answer are templates."""

    when: Literal["message", "tool_result"] = "message"
    path: str | None = None
    contains: str | None = None
    regex: str | None = None
    content: str | None = None
    json: Any = None
    tool_calls: list[MockCall] = field(default_factory=list)


class Rule(Struct, frozen=True):
    """A compiled match: the strings in `json` and in the arguments are `Template`s."""

    match: Match
    path: tuple[str | int, ...] | None
    pattern: re.Pattern[str] | None
    content: Template | None
    json: Any
    calls: tuple[MockCall, ...]


class Scenario(Struct, frozen=True):
    """The answers of one scenario."""

    turns: dict[int, Turn] = field(default_factory=dict)
    steps: dict[str, Turn] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    default: str | None = None


class Responses(Struct, frozen=True):
    """The file."""

    scenarios: dict[str, Scenario] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    default: str | None = None
    pace: Pace = Pace()


class _File(Pace, frozen=True, kw_only=True):
    default: str | None = field(default=None, name="defaultResponse")
    scenarios: dict[str, Any] | None = None
    matches: list[Any] | None = None


class _Scenario(Struct, frozen=True):
    default: str | None = field(default=None, name="defaultResponse")
    turns: dict[Any, Any] | None = None
    steps: dict[Any, Any] | None = None
    matches: list[Any] | None = None


def read_responses(path: str) -> Responses:
    """Read a response file.

    Raises:
        ConfigurationError: names the file and the path of what is wrong.
    """
    return parse_responses(read_text(path), path)


def parse_responses(text: str, what: str) -> Responses:
    """Parse a response file; `what` begins the error message.

    Raises:
        ConfigurationError: names the path of what is wrong.
    """
    if not text.strip():
        return Responses()
    file = _convert(decode_yaml(text, Any, what), _File, what)
    return Responses(
        {
            name: _scenario(raw, f"{what}: scenarios.{name}")
            for name, raw in (file.scenarios or {}).items()
        },
        _rules(file.matches, what + ": "),
        file.default,
        Pace().over(file),
    )


def _scenario(raw: Any, where: str) -> Scenario:
    found = _convert({} if raw is None else raw, _Scenario, where)
    return Scenario(
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
        raise ConfigurationError(f"{where}.turns: expected numbers from 1 on, found {key!r}")
    return int(str(key))


def _turn(raw: Any, where: str) -> Turn:
    if isinstance(raw, str):
        return Turn(content=raw)
    return _convert(raw, Turn, where)


def _rules(raw: list[Any] | None, where: str) -> tuple[Rule, ...]:
    return tuple(_rule(each, f"{where}matches[{index}]") for index, each in enumerate(raw or []))


def _rule(raw: Any, where: str) -> Rule:
    match = _convert(raw, Match, where)

    def compiled(text: str) -> Template:
        return compile_template(text, where)

    try:
        pattern = re.compile(match.regex) if match.regex is not None else None
    except re.error as error:
        raise ConfigurationError(f"{where}.regex: {error}") from error
    calls = (
        MockCall(call.name, map_strings(call.arguments, compiled)) for call in match.tool_calls
    )
    return Rule(
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
