"""Issues of a pack, and the comparison of JSON with the types of the format.

msgspec stops at the first difference and does not name the keys of maps, so `differences` walks the
types itself; single values are validated by msgspec.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct, UnsetType

from omnia_core.suggestions import most_similar

_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    NoneType: "null",
}

_SCALARS = frozenset({str, bool, int, float})
_SHOWN = 60
IssuePath: TypeAlias = tuple[str | int, ...]
Severity: TypeAlias = Literal["error", "warning"]


class Issue(Struct, frozen=True):
    """An error or a warning about a pack.

    Attributes:
        place: keys and indices from the root of the pack.
        severity: a pack with an error cannot be used.
        wrong: a name that does not exist, "" where the issue is about something else.
        known: the names that do. The one that was meant is looked for when the issue is shown: a
            pack may have more wrong names than anybody reads.
    """

    place: IssuePath
    message: str
    severity: Severity = "error"
    wrong: str = ""
    known: Collection[str] = ()

    def __str__(self) -> str:
        near = most_similar(self.wrong, self.known) if self.wrong else ""
        meant = f'; did you mean "{near}"?' if near else ""
        return f"{path_text(self.place)}: {self.message}{meant}"


MayHave: TypeAlias = Callable[[type[Struct], Mapping[str, Any], str], bool]
"""Whether an object may have a key that its type does not define."""


def path_text(place: IssuePath) -> str:
    """Return a path as text such as `prompts.main.tools[0]`; "(root)" for the pack itself."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)
    return text.removeprefix(".") or "(root)"


def warning(place: IssuePath, message: str) -> Issue:
    """Return an issue with which the pack can still be used."""
    return Issue(place, message, "warning")


def unknown(
    place: IssuePath,
    what: str,
    name: str,
    known: Collection[str],
    also: str = "",
    severity: Severity = "error",
) -> Issue:
    """Return an issue about a name that does not exist; `also` continues its sentence."""
    return Issue(place, f'there is no {what} "{name}" here{also}', severity, name, known)


def errors(issues: Iterable[Issue]) -> list[Issue]:
    """Return the issues that are errors."""
    return [issue for issue in issues if issue.severity == "error"]


def differences(
    value: Any, shape: Any, may_have: MayHave, place: IssuePath = ()
) -> Iterator[Issue]:
    """Yield how a JSON value differs from a type; unknown keys are warnings."""
    options, metas = options_of(shape)
    if not metas and type(value) in _SCALARS and type(value) in options:
        return
    if value is None and NoneType in options:
        if not any(meta.extra and meta.extra.get("null") for meta in metas):
            yield warning(place, "null is read as not set: leave the key out")
        return
    option = _fitting(value, options)
    if option is None or not all(_bounded(value, meta) for meta in metas):
        yield Issue(place, f"expected {_expected(options, metas)}, found {_found(value)}")
        return
    kind, inner = _parts(option)
    if kind is Struct:
        yield from _object(value, option, may_have, place)
    elif kind is dict:
        for key, item in value.items():
            yield from differences(item, inner, may_have, (*place, key))
    elif kind is list:
        for index, item in enumerate(value):
            yield from differences(item, inner, may_have, (*place, index))


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
            yield unknown((*place, key), "key", key, fields, severity="warning")


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


def _fitting(value: Any, options: Sequence[Any]) -> Any:
    for option in options:
        if _fits(value, option):
            return option
    return None


def _fits(value: Any, option: Any) -> bool:
    """Whether a value has the kind of a type; its content is compared later."""
    kind, _ = _parts(option)
    if kind in (dict, list, str, bool):
        return isinstance(value, kind)
    if kind is Struct:
        return isinstance(value, dict)
    return _converts(value, option)


@cache
def _parts(option: Any) -> tuple[Any, Any]:
    """Return the kind of a type, `Struct` for each of them, and what a list or a map is of."""
    kind = get_origin(option) or option
    if isinstance(kind, type) and issubclass(kind, Struct):
        return Struct, None
    # What is of anything is not looked into.
    return kind, get_args(option)[-1] if kind in (dict, list) and get_args(option) else Any


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
