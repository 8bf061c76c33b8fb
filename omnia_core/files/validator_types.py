"""The types of validators with their other names, and how each reads its parameters."""

from collections.abc import Callable
from functools import partial

from omnia_core.files.validator_params import Params
from omnia_core.files.validator_rules import (
    Excludes,
    Includes,
    Json,
    Matches,
    MaxLength,
    MaxSentences,
    MinLength,
    NoPersonalData,
    Rule,
)

_CHARACTERS_PER_TOKEN = 4  # the usual estimate for English text


def _excludes(params: Params, mode: str) -> Excludes:
    texts = params.texts("words", "patterns")
    mode = params.choice("match_mode", ("substring", "word_boundary"), mode)
    return Excludes(texts, mode == "word_boundary")


def _max_length(params: Params) -> MaxLength:
    characters = params.count("max", "max_characters", "max_chars")
    tokens = params.count("max_tokens")
    limits = [each for each in (characters, tokens and tokens * _CHARACTERS_PER_TOKEN) if each]
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
    from omnia_core.patterns import PatternInvalid, compile_pattern  # noqa: PLC0415 - see there

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
            params.refuse("schema", f"is no JSON Schema: {error}")
    return Json(
        schema,
        params.flag("allow_wrapped", default=False),
        params.flag("extract_json", default=False),
    )


def _no_personal_data(_: Params) -> NoPersonalData:
    return NoPersonalData()


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

# Types of the format that a model or a classifier decides.
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
