"""What a validator demands of a text."""

from typing import TypeAlias

from msgspec import Struct

from omnia_core.jsonvalue import JsonObject


class Excludes(Struct, frozen=True):
    """None of the texts may occur; upper and lower case are the same.

    Attributes:
        whole_words: a text counts only where it is no part of a longer word.
    """

    texts: tuple[str, ...]
    whole_words: bool


class Includes(Struct, frozen=True):
    """`every` text must occur, or at least one; upper and lower case are the same."""

    texts: tuple[str, ...]
    every: bool


class MaxLength(Struct, frozen=True):
    """At most so many characters (Unicode code points)."""

    characters: int


class MinLength(Struct, frozen=True):
    """At least so many characters (Unicode code points)."""

    characters: int


class MaxSentences(Struct, frozen=True):
    """At most so many sentences."""

    sentences: int


class Matches(Struct, frozen=True):
    """An RE2 pattern must be found, or must not."""

    pattern: str
    expected: bool


class Json(Struct, frozen=True):
    """The text is JSON, and fits the schema when there is one.

    Attributes:
        allow_wrapped: the JSON may stand in a fenced code block.
        extract_json: the JSON may stand among other text.
    """

    schema: JsonObject | None
    allow_wrapped: bool
    extract_json: bool


class NoPersonalData(Struct, frozen=True):
    """No e-mail address, US social security number or payment card number."""


Rule: TypeAlias = (
    Excludes | Includes | MaxLength | MinLength | MaxSentences | Matches | Json | NoPersonalData
)
