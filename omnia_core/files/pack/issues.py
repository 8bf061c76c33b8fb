"""Issues of a pack, and the comparison of JSON with the types of the format.

msgspec stops at the first difference and does not name the keys of maps, so `differences` walks the
types itself; single values are validated by msgspec.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct, UnsetType

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
IssuePath: TypeAlias = tuple[str | int, ...]


class Issue(Struct, frozen=True):
    """An error or a warning about a pack.

    Attributes:
        place: keys and indices from the root of the pack.
        severity: a pack with an error cannot be used.
    """

    place: IssuePath
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{path_text(self.place)}: {self.message}"


MayHave: TypeAlias = Callable[[type[Struct], Mapping[str, Any], str], bool]
"""Whether an object may have a key that its type does not define."""


def path_text(place: IssuePath) -> str:
    """Return a path as text such as `prompts.main.tools[0]`; "(root)" for the pack itself."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)
    return text.removeprefix(".") or "(root)"


def warning(place: IssuePath, message: str) -> Issue:
    """Return an issue with which the pack can still be used."""
    return Issue(place, message, "warning")


def unknown(what: str, name: str, there: Iterable[str]) -> str:
    """Return a message about an unknown name, with the most similar known one."""
    return f'there is no {what} "{name}" here{similar(name, there)}'


def similar(name: str, there: Iterable[str]) -> str:
    """Return the end of a sentence with the most similar known name, or ""."""
    import difflib  # noqa: PLC0415 - needed only for a wrong name

    near = difflib.get_close_matches(name, list(there), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def errors(issues: Iterable[Issue]) -> list[Issue]:
    """Return the issues that are errors."""
    return [issue for issue in issues if issue.severity == "error"]


def differences(
    value: Any, shape: Any, may_have: MayHave, place: IssuePath = ()
) -> Iterator[Issue]:
    """Yield how a JSON value differs from a type; unknown keys are warnings."""
    options, metas = options_of(shape)
    if value is None and NoneType in options:
        if not any(meta.extra and meta.extra.get("null") for meta in metas):
            yield warning(place, "null is read as not set: leave the key out")
        return
    option = next((option for option in options if _fits(value, option)), None)
    if option is None or any(not _bounded(value, meta) for meta in metas):
        yield Issue(place, f"expected {_expected(options, metas)}, found {_found(value)}")
    elif isinstance(option, type) and issubclass(option, Struct):
        yield from _object(value, option, may_have, place)
    elif get_origin(option) is dict:
        for key, item in value.items():
            yield from differences(item, get_args(option)[1], may_have, (*place, key))
    elif get_origin(option) is list:
        for index, item in enumerate(value):
            yield from differences(item, get_args(option)[0], may_have, (*place, index))


def _object(
    value: Mapping[str, Any], shape: type[Struct], may_have: MayHave, place: IssuePath
) -> Iterator[Issue]:
    fields = fields_of(shape)
    for name, field in fields.items():
        if name in value:
            yield from differences(value[name], field.type, may_have, (*place, name))
        elif field.required:
            expected = _expected(*options_of(field.type))
            yield Issue(place, f'the key "{name}" is missing: add it, {expected}')
    for key in value:
        if key not in fields and not may_have(shape, value, key):
            yield warning((*place, key), unknown("key", key, fields))


@cache
def fields_of(shape: type[Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """Return the fields of a type by their JSON names."""
    return {field.encode_name: field for field in msgspec.structs.fields(shape)}


@cache
def options_of(shape: Any) -> tuple[tuple[Any, ...], tuple[Meta, ...]]:
    """Return the alternatives of a type, and its constraints."""
    if get_origin(shape) is Annotated:
        options, metas = options_of(shape.__origin__)
        own = tuple(meta for meta in shape.__metadata__ if isinstance(meta, Meta))
        return options, metas + own
    if get_origin(shape) in (Union, UnionType):
        members = tuple(member for member in get_args(shape) if member is not UnsetType)
        not_none = [member for member in members if member is not NoneType]
        if len(not_none) == 1:
            options, metas = options_of(not_none[0])
            return (*options, NoneType), metas
        return members, ()
    return (shape,), ()


def _fits(value: Any, option: Any) -> bool:
    """Whether a value has the kind of a type; its content is compared later."""
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
    names = [_named(option) for option in options if option is not NoneType]
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
