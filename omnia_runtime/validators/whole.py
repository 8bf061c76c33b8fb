"""Judges of a whole text."""

from collections.abc import Callable

from omnia_core.files.validators import Includes, Json, Matches, MaxLength, MaxSentences, MinLength
from omnia_core.patterns import compile_pattern, finds
from omnia_runtime.validators.folding import fold
from omnia_runtime.validators.json_text import NoJson, read_json
from omnia_runtime.validators.sentences import count_sentences
from omnia_runtime.validators.verdict import Judge

_PLACES = 3  # violations of a schema that a detail names


def includes(rule: Includes) -> Judge:
    """All of the texts, or one of them."""
    texts = [(fold(text), text) for text in rule.texts]

    def judge(text: str) -> str | None:
        folded = fold(text)
        missing = [shown for wanted, shown in texts if wanted not in folded]
        if not missing or (not rule.every and len(missing) < len(texts)):
            return None
        named = ", ".join(f'"{each}"' for each in missing)
        return f"it contains none of {named}" if not rule.every else f"it does not contain {named}"

    return judge


def max_length(rule: MaxLength) -> Judge:
    """At most so many characters."""
    return _bounded(len, "characters", most=rule.characters)


def min_length(rule: MinLength) -> Judge:
    """At least so many characters."""
    return _bounded(len, "characters", least=rule.characters)


def max_sentences(rule: MaxSentences) -> Judge:
    """At most so many sentences."""
    return _bounded(count_sentences, "sentences", most=rule.sentences)


def matches(rule: Matches) -> Judge:
    """A pattern is found, or is not."""
    pattern = compile_pattern(rule.pattern)
    detail = "it does not match" if rule.expected else "it matches"

    def judge(text: str) -> str | None:
        return None if finds(pattern, text) is rule.expected else f"{detail} {rule.pattern}"

    return judge


def json_value(rule: Json) -> Judge:
    """The text is JSON and fits the schema."""
    from omnia_core.jsonschema import compile_schema  # noqa: PLC0415 - loaded for the first schema

    schema = compile_schema(True if rule.schema is None else rule.schema)

    def judge(text: str) -> str | None:
        try:
            value = read_json(text, rule)
        except NoJson:
            return "it is not JSON"
        # Only places: a violation's text repeats parts of the answer.
        found = schema.violations(value, limit=_PLACES)
        places = ", ".join(each.pointer or "the root" for each in found)
        return f"it does not fit the schema at {places}" if found else None

    return judge


def _bounded(
    measure: Callable[[str], int], unit: str, *, least: int = 0, most: int | None = None
) -> Judge:
    def judge(text: str) -> str | None:
        size = measure(text)
        if size < least:
            return f"it has {size} {unit}, at least {least} are required"
        if most is not None and size > most:
            return f"it has {size} {unit}, at most {most} are allowed"
        return None

    return judge
