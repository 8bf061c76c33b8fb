"""Validators of a prompt: from their declaration to checked specs.

A declaration that cannot be enforced is an error, never a validator that is left out.
"""

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, cast, get_args

from msgspec import Struct

from omnia_core.errors import ConfigurationError
from omnia_core.files.validator_params import Params
from omnia_core.files.validator_rules import Rule
from omnia_core.files.validator_types import JUDGED, READERS
from omnia_core.jsonvalue import JsonObject

Direction: TypeAlias = Literal["input", "output", "both"]

_KEYS = ("type", "id", "enabled", "params", "message", "fail_on_violation", "extensions")


class ValidatorSpec(Struct, frozen=True):
    """A validator that can be enforced.

    Attributes:
        type: as declared: `banned_words`, not `content_excludes`.
        message: what the user is told when it blocks; None is the default text.
    """

    type: str
    rule: Rule
    direction: Direction = "output"
    message: str | None = None


def parse_validators(raw: Sequence[JsonObject], where: str) -> list[ValidatorSpec]:
    """Check the validators of a prompt; `where` is their place: "prompts.support.validators".

    What is not `enabled` is left out unseen.

    Raises:
        ConfigurationError: names place, problem, and what is known.
    """
    return [
        _parse(each, f"{where}[{index}]")
        for index, each in enumerate(raw)
        if _enabled(each, f"{where}[{index}]")
    ]


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
