"""Compare JSON with the types that describe it: every difference, each with its place.

msgspec stops at the first difference and names no key of a map. The types stay the only
description: a value alone is judged by msgspec itself.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct, UnsetType

from omnia_core.files.pack.issue import Issue, Place, unknown, warning

# Whether an object may have a key that its type lacks.
MayHave: TypeAlias = Callable[[type[Struct], Mapping[str, Any], str], bool]

_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    NoneType: "null",
}
_SHOWN = 60


def differences(value: Any, shape: Any, may_have: MayHave, place: Place = ()) -> Iterator[Issue]:
    """Yield how a JSON value differs from a type; keys that the type lacks are warnings."""
    options, metas = options_of(shape)
    if value is None and NoneType in options:
        if not any(meta.extra and meta.extra.get("null") for meta in metas):
            yield warning(place, "null is read as not set: leave the key out")
        return
    option = next((each for each in options if _fits(value, each)), None)
    if option is None or any(not _bounded(value, meta) for meta in metas):
        yield Issue(place, f"expected {_expected(options, metas)}, found {_found(value)}")
    elif isinstance(option, type) and issubclass(option, Struct):
        yield from _object(value, option, may_have, place)
    elif get_origin(option) is dict:
        for key, each in value.items():
            yield from differences(each, get_args(option)[1], may_have, (*place, key))
    elif get_origin(option) is list:
        for index, each in enumerate(value):
            yield from differences(each, get_args(option)[0], may_have, (*place, index))


def _object(
    value: Mapping[str, Any], shape: type[Struct], may_have: MayHave, place: Place
) -> Iterator[Issue]:
    fields = fields_of(shape)
    for name, each in fields.items():
        if name in value:
            yield from differences(value[name], each.type, may_have, (*place, name))
        elif each.required:
            expected = _expected(*options_of(each.type))
            yield Issue(place, f'the key "{name}" is missing: add it, {expected}')
    for key in value:
        if key not in fields and not may_have(shape, value, key):
            yield warning((*place, key), unknown("key", key, fields))


@cache
def fields_of(shape: type[Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """Return the fields of a type by their names in JSON."""
    return {each.encode_name: each for each in msgspec.structs.fields(shape)}


@cache
def options_of(shape: Any) -> tuple[tuple[Any, ...], tuple[Meta, ...]]:
    """Take a type apart: what a value may be, and what is said about it."""
    if get_origin(shape) is Annotated:
        options, metas = options_of(shape.__origin__)
        said = tuple(each for each in shape.__metadata__ if isinstance(each, Meta))
        return options, metas + said
    if get_origin(shape) in (Union, UnionType):
        members = tuple(each for each in get_args(shape) if each is not UnsetType)
        if len([each for each in members if each is not NoneType]) == 1:
            inner = next(each for each in members if each is not NoneType)
            options, metas = options_of(inner)
            return (*options, NoneType), metas
        return members, ()
    return (shape,), ()


def _fits(value: Any, option: Any) -> bool:
    """Whether a value is of the kind of a type; what is in it is looked at later."""
    kind = get_origin(option) or option
    if kind in (dict, list, str, bool):
        return isinstance(value, kind)
    if isinstance(kind, type) and issubclass(kind, Struct):
        return isinstance(value, dict)
    return _converts(value, option)


def _bounded(value: Any, meta: Meta) -> bool:
    if meta.extra is not None:
        return True
    if isinstance(value, dict | list):
        return len(value) >= (meta.min_length or 0)
    return _converts(value, Annotated[type(value), meta])


def _converts(value: Any, shape: Any) -> bool:
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError:
        return False
    return True


def _expected(options: Sequence[Any], metas: Sequence[Meta]) -> str:
    described = next((meta.description for meta in reversed(metas) if meta.description), None)
    bounds = "".join(_bounds(meta) for meta in metas)
    names = [_named(each) for each in options if each is not NoneType]
    return described or " or ".join(names) + bounds


def _named(option: Any) -> str:
    if get_origin(option) is Literal:
        values = get_args(option)
        return ("one of " if len(values) > 1 else "") + ", ".join(map(json.dumps, values))
    kind = get_origin(option) or option
    return _KINDS.get(kind, "an object")


def _bounds(meta: Meta) -> str:
    if meta.min_length is not None:
        return f" with {meta.min_length} at least"
    low = "" if meta.ge is None else f" from {meta.ge}"
    above = "" if meta.gt is None else f" above {meta.gt}"
    high = "" if meta.le is None else f" to {meta.le}"
    return low + above + high


def _found(value: Any) -> str:
    if isinstance(value, dict | list):
        return _KINDS[type(value)] if value else f"{_KINDS[type(value)]} without content"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
