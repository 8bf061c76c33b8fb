"""Parses the validators of a prompt.

A declaration that cannot be enforced is an error; validators are never ignored silently.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, TypeAlias, cast, get_args

from msgspec import Struct

from omnia_core.errors import ConfigurationError
from omnia_core.files.validator_params import Params
from omnia_core.jsonvalue import JsonObject

Direction: TypeAlias = Literal["input", "output", "both"]
_KEYS = ("type", "id", "enabled", "params", "message", "fail_on_violation", "extensions")
PERSONAL_DATA = frozenset({"email", "ssn", "credit_card"})
_CHARACTERS_PER_TOKEN = 4  # the usual estimate for English text


class Excludes(Struct, frozen=True):
    """None of the texts may occur; case is ignored.

    Attributes:
        whole_words: a text inside a longer word does not count.
    """

    texts: tuple[str, ...]
    whole_words: bool


class Includes(Struct, frozen=True):
    """`every` text must occur, or at least one; case is ignored."""

    texts: tuple[str, ...]
    every: bool


class MaxLength(Struct, frozen=True):
    """The maximum length in characters (Unicode code points)."""

    characters: int


class MinLength(Struct, frozen=True):
    """The minimum length in characters (Unicode code points)."""

    characters: int


class MaxSentences(Struct, frozen=True):
    """The maximum number of sentences."""

    sentences: int


class Matches(Struct, frozen=True):
    """An RE2 pattern must match (`expected`), or must not match."""

    pattern: str
    expected: bool


class Json(Struct, frozen=True):
    """The text must be JSON, and match the schema if there is one.

    Attributes:
        allow_wrapped: the JSON may be in a fenced code block.
        extract_json: the JSON may be surrounded by other text.
    """

    schema: JsonObject | None
    allow_wrapped: bool
    extract_json: bool


class NoPersonalData(Struct, frozen=True):
    """No e-mail address, US social security number or payment card number; `kinds` of them."""

    kinds: frozenset[str] = PERSONAL_DATA


Rule: TypeAlias = (
    Excludes | Includes | MaxLength | MinLength | MaxSentences | Matches | Json | NoPersonalData
)


class ValidatorSpec(Struct, frozen=True):
    """A parsed validator.

    Attributes:
        type: the type as declared, which may be an alias.
        message: the text for the user when it blocks; None: the default text.
    """

    type: str
    rule: Rule
    direction: Direction = "output"
    message: str | None = None


def parse_validators(raw: Sequence[JsonObject], where: str) -> list[ValidatorSpec]:
    """Parse the validators of a prompt; `where` is their place: "prompts.support.validators".

    Validators that are not `enabled` are skipped without checks.

    Raises:
        ConfigurationError: validators are invalid; the message names place and problem of each.
    """
    specs, problems = check_validators(raw, where)
    if problems:
        raise ConfigurationError("; ".join(problems))
    return specs


def check_validators(
    raw: Sequence[JsonObject], where: str
) -> tuple[list[ValidatorSpec], list[str]]:
    """Parse the valid ones as `parse_validators`; return them, and the problem of each other."""
    specs, problems = [], []
    for index, declared in enumerate(raw):
        place = f"{where}[{index}]"
        try:
            if _enabled(declared, place):
                specs.append(_parse(declared, place))
        except ConfigurationError as error:
            problems.append(error.message)
    return specs, problems


def _enabled(raw: JsonObject, where: str) -> bool:
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{where}: expected an object with a type")
    enabled = raw.get("enabled", True)
    if not isinstance(enabled, bool):
        raise ConfigurationError(f"{where}.enabled: expected true or false")
    return enabled


def _parse(raw: JsonObject, where: str) -> ValidatorSpec:
    for key in raw:
        if key not in _KEYS:
            raise ConfigurationError(f"{where}.{key}: is not known; known: {', '.join(_KEYS)}")
    kind, values, message = raw.get("type"), raw.get("params", {}), raw.get("message")
    read = _reader(kind, where)
    if not isinstance(values, dict):
        raise ConfigurationError(f"{where}.params: expected an object")
    if message is not None and not isinstance(message, str):
        raise ConfigurationError(f"{where}.message: expected a text")
    if not isinstance(raw.get("fail_on_violation"), bool | None):
        raise ConfigurationError(f"{where}.fail_on_violation: expected true or false")
    params = Params(values, f"{where}.params")
    direction = params.choice("direction", get_args(Direction), "output")
    other_message = params.text("message")
    rule = read(params)
    params.finish()
    return ValidatorSpec(str(kind), rule, cast("Direction", direction), message or other_message)


def _reader(kind: object, where: str) -> Callable[[Params], Rule]:
    if isinstance(kind, str) and kind in JUDGED:
        raise ConfigurationError(
            f'{where}.type: "{kind}" needs a model or a classifier as judge, which this version '
            "does not have: remove the validator, or set enabled: false"
        )
    if not isinstance(kind, str) or kind not in READERS:
        found = f'"{kind}" is not known' if kind else "is required and missing"
        raise ConfigurationError(f"{where}.type: {found}; known: {', '.join(sorted(READERS))}")
    return READERS[kind]


def _excludes(params: Params, mode: str) -> Excludes:
    texts = params.texts("words", "patterns")
    mode = params.choice("match_mode", ("substring", "word_boundary"), mode)
    if params.flag("case_sensitive", default=False):
        params.refuse("case_sensitive", "texts are compared without case: expected false")
    return Excludes(texts, mode == "word_boundary")


def _max_length(params: Params) -> MaxLength:
    characters = params.count("max", "max_characters", "max_chars")
    tokens = params.count("max_tokens")
    limits = [limit for limit in (characters, (tokens or 0) * _CHARACTERS_PER_TOKEN) if limit]
    if not limits:
        params.missing("max", "max_characters", "max_chars", "max_tokens")
    return MaxLength(min(limits))


def _min_length(params: Params) -> MinLength:
    names = ("min", "min_characters", "min_chars")
    return MinLength(params.count(*names) or params.missing(*names))


def _max_sentences(params: Params) -> MaxSentences:
    names = ("max_sentences", "max")
    return MaxSentences(params.count(*names) or params.missing(*names))


def _fields(params: Params) -> Includes:
    return Includes(params.texts("required_fields", "fields"), every=True)


def _includes(params: Params, *, every: bool) -> Includes:
    return Includes(params.texts("patterns"), every)


def _matches(params: Params) -> Matches:
    from omnia_core.patterns import PatternInvalid, compile_pattern  # noqa: PLC0415 - loads RE2

    pattern = params.text("pattern") or params.missing("pattern")
    try:
        compile_pattern(pattern)
    except PatternInvalid as error:
        params.refuse("pattern", f"RE2 refuses it: {error}")
    return Matches(pattern, params.flag("expect_match", default=True))


def _json(params: Params, *, with_schema: bool) -> Json:
    schema = params.object("schema") if with_schema else None
    if schema is not None:
        from omnia_core.jsonschema import SchemaInvalid, compile_schema  # noqa: PLC0415 - heavy

        try:
            compile_schema(schema)
        except SchemaInvalid as error:
            params.refuse("schema", f"is not a valid JSON Schema: {error}")
    return Json(
        schema,
        params.flag("allow_wrapped", default=False),
        params.flag("extract_json", default=False),
    )


def _no_personal_data(params: Params) -> NoPersonalData:
    if not params.has("types"):
        return NoPersonalData()
    kinds = params.texts("types")
    for index, kind in enumerate(kinds):
        if kind not in PERSONAL_DATA:
            known = ", ".join(sorted(PERSONAL_DATA))
            params.refuse(f"types[{index}]", f'"{kind}" is not detected; expected {known}')
    return NoPersonalData(frozenset(kinds))


_EXCLUDES = partial(_excludes, mode="substring")
_CONTAINS = partial(_includes, every=True)
_CONTAINS_ANY = partial(_includes, every=False)
_JSON_VALID = partial(_json, with_schema=False)
READERS: dict[str, Callable[[Params], Rule]] = {
    "banned_words": partial(_excludes, mode="word_boundary"),
    "content_excludes": _EXCLUDES,
    "content_not_includes": _EXCLUDES,
    "max_length": _max_length,
    "length": _max_length,
    "min_length": _min_length,
    "max_sentences": _max_sentences,
    "sentence_count": _max_sentences,
    "required_fields": _fields,
    "field_presence": _fields,
    "regex": _matches,
    "regex_match": _matches,
    "content_matches": _matches,
    "json_valid": _JSON_VALID,
    "valid_json": _JSON_VALID,
    "is_valid_json": _JSON_VALID,
    "json_schema": partial(_json, with_schema=True),
    "pii_leakage": _no_personal_data,
    "pii_detection": _no_personal_data,
    "contains": _CONTAINS,
    "content_includes": _CONTAINS,
    "contains_any": _CONTAINS_ANY,
    "content_includes_any": _CONTAINS_ANY,
}

# Types of the format that need a model or a classifier.
JUDGED = frozenset(
    {
        "answer_relevancy",
        "audio_emotion",
        "bias",
        "contextual_precision",
        "contextual_recall",
        "contextual_relevancy",
        "cosine_similarity",
        "faithfulness",
        "hallucination",
        "image_moderation",
        "llm_judge",
        "llm_judge_conversation",
        "llm_judge_session",
        "llm_judge_tool_calls",
        "llm_judge_turn",
        "role_violation",
        "sentiment",
        "text_sentiment",
        "text_toxicity",
        "toxicity",
    }
)
