"""Which version of the format a pack needs: the lowest that has all of its keys."""

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from msgspec import Struct

from omnia_core.files.pack.document import Pack
from omnia_core.files.pack.evals import TRIGGERS, Eval
from omnia_core.files.pack.issue import Issue, Place, warning, written
from omnia_core.files.pack.prompt import Prompt
from omnia_core.files.pack.shape import fields_of, options_of

NEWEST = "1.9"
"""The newest version that is known."""

_FIRST = "1.0"
_OPEN_VALIDATORS = "1.7"
_OPEN_TRIGGERS = "1.7"
_VERSION = re.compile(r"/v(1\.[0-9]+(?:\.[0-9]+)?)/")


class Need(Struct, frozen=True):
    """A version, "" for no version at all, and the key that needs it."""

    version: str
    place: Place


def lowest_format(raw: Any) -> Need:
    """Return what the pack needs most: a key that no version has, else the newest key.

    `raw` is a pack whose shape is right, as JSON values.
    """
    needs = [Need(_FIRST, ()), *_needs(raw, Pack, ())]
    return max(needs, key=lambda need: (not need.version, _order(need.version)))


def schema_issues(raw: Any) -> Iterator[Issue]:
    """Yield a warning when the pack names an older format than it needs."""
    named = _VERSION.search(str(raw.get("$schema", "")))
    need = lowest_format(raw)
    if named is None or not need.version or _order(named[1]) >= _order(need.version):
        return
    yield warning(
        ("$schema",),
        f"names format {named[1]}, and {written(need.place)} came with {need.version}:"
        f" other programs may refuse the pack; name {need.version} or later",
    )


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)


def _needs(value: Any, shape: Any, place: Place) -> Iterator[Need]:
    options, metas = options_of(shape)
    if value is None:
        return
    extras = (meta.extra for meta in metas if meta.extra)
    yield from (Need(extra["since"], place) for extra in extras if "since" in extra)
    if isinstance(value, list):
        items = next((get_args(each)[0] for each in options if get_origin(each) is list), Any)
        for index, each in enumerate(value):
            yield from _needs(each, items, (*place, index))
    elif isinstance(value, dict):
        for option in options:
            yield from _of_object(value, option, place)


def _of_object(value: dict[str, Any], option: Any, place: Place) -> Iterator[Need]:
    if get_origin(option) is dict:
        for key, each in value.items():
            yield from _needs(each, get_args(option)[1], (*place, key))
    elif isinstance(option, type) and issubclass(option, Struct):
        for name, known in fields_of(option).items():
            if name in value:
                yield from _needs(value[name], known.type, (*place, name))
        if option is Eval and value.get("trigger") not in TRIGGERS:
            yield Need(_OPEN_TRIGGERS, (*place, "trigger"))
        if option is Prompt:
            yield from _validators(value.get("validators") or [], (*place, "validators"))


def _validators(validators: list[dict[str, Any]], place: Place) -> Iterator[Need]:
    for index, each in enumerate(validators):
        if "enabled" not in each or {"id", "message", "extensions"} & each.keys():
            yield Need(_OPEN_VALIDATORS, (*place, index))
