"""Finds the lowest version of the format that has all keys of a pack."""

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from msgspec import Struct

from omnia_core.files.pack.document import Pack
from omnia_core.files.pack.issues import Issue, IssuePath, fields_of, options_of, path_text, warning
from omnia_core.files.pack.prompt import TRIGGERS, Eval, Prompt

_FIRST = "1.0"
_OPEN_VALIDATORS = "1.7"
_OPEN_TRIGGERS = "1.7"
_VERSION = re.compile(r"/v(1\.[0-9]+(?:\.[0-9]+)?)/")


class Need(Struct, frozen=True):
    """A version of the format, and the key that needs it; "": no version has the key."""

    version: str
    place: IssuePath


def lowest_format(raw: Any) -> Need:
    """Return the key that needs the newest version, or that no version has.

    `raw` is a pack with a valid shape, as JSON values.
    """
    needs = [Need(_FIRST, ()), *_needs(raw, Pack, ())]
    return max(needs, key=lambda need: (not need.version, _order(need.version)))


def schema_issues(raw: Any, need: Need) -> Iterator[Issue]:
    """Yield a warning when the pack declares an older format than its `lowest_format`."""
    named = _VERSION.search(str(raw.get("$schema", "")))
    if named is None or not need.version or _order(named[1]) >= _order(need.version):
        return
    yield warning(
        ("$schema",),
        f"names format {named[1]}, and {path_text(need.place)} came with {need.version}:"
        f" other programs may refuse the pack; name {need.version} or later",
    )


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)


def _needs(value: Any, shape: Any, place: IssuePath) -> Iterator[Need]:
    if value is None:
        return
    options, metas = options_of(shape)
    for meta in metas:
        if meta.extra and "since" in meta.extra:
            yield Need(meta.extra["since"], place)
    if isinstance(value, list):
        items = next((get_args(option)[0] for option in options if get_origin(option) is list), Any)
        for index, item in enumerate(value):
            yield from _needs(item, items, (*place, index))
    elif isinstance(value, dict):
        for option in options:
            yield from _of_object(value, option, place)


def _of_object(value: dict[str, Any], option: Any, place: IssuePath) -> Iterator[Need]:
    if get_origin(option) is dict:
        for key, item in value.items():
            yield from _needs(item, get_args(option)[1], (*place, key))
    elif isinstance(option, type) and issubclass(option, Struct):
        for name, known in fields_of(option).items():
            if name in value:
                yield from _needs(value[name], known.type, (*place, name))
        if option is Eval and value.get("trigger") not in TRIGGERS:
            yield Need(_OPEN_TRIGGERS, (*place, "trigger"))
        if option is Prompt:
            yield from _validators(value.get("validators") or [], (*place, "validators"))


def _validators(validators: list[dict[str, Any]], place: IssuePath) -> Iterator[Need]:
    for index, validator in enumerate(validators):
        if "enabled" not in validator or {"id", "message", "extensions"} & validator.keys():
            yield Need(_OPEN_VALIDATORS, (*place, index))
