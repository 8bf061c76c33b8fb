"""Tolerant decoding of a vendor's events: a member that does not fit costs itself, not the answer.

It is tried only after msgspec's typed decoder failed, which is the fast path.
"""

import json
import math
import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, Final, Generic, TypeAlias, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Raw, Struct

from omnia_core.jsonvalue import JsonObject, check_depth

T = TypeVar("T", bound=Struct)

_PROSE: Final = "prose"
_JSON: Final = "json"
_REASON: Final = "reason"
# Text that some servers send as a list of parts, each with its text.
Prose: TypeAlias = Annotated[str, _PROSE]
# JSON as text, which some servers send as the value itself.
JSONText: TypeAlias = Annotated[str, _JSON]
# The reason of an end, which some servers send as an object with its type.
ReasonText: TypeAlias = Annotated[str, _REASON]
# The types of parts that are no part of the answer, although they have a text.
_THOUGHTS = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_text", "thought"})

# The errors of the typed decoder for bytes from a server.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_MAX_DIGITS = 400
_UNFIT = object()
_NOTHING = Raw()


class LenientDecoder(Generic[T]):
    """Decodes an event to a Struct, without the members that are null or of a wrong type."""

    def __init__(self, into: type[T]) -> None:
        self._into = into
        self._fit = _fitter(into)

    def decode(self, data: bytes) -> list[T]:
        """Return the event, or the events of a list.

        Raises:
            ValueError: `data` is not JSON.
        """
        found = loads(data)
        items = found if isinstance(found, list) else [found]
        return [event for event in map(self._fit, items) if isinstance(event, self._into)]

    def convert(self, value: Any) -> T:
        """Return `value` as a Struct; an empty one if it does not fit at all."""
        fitted = self._fit(value)
        return fitted if isinstance(fitted, self._into) else self._into()


def loads(data: bytes) -> Any:
    """Decode JSON; invalid UTF-8 and unpaired surrogates become U+FFFD, null members are kept.

    Raises:
        ValueError: `data` is not JSON, or is nested too deeply.
    """
    check_depth(data)
    text = data.decode(errors="replace")
    found = json.loads(text, strict=False, parse_int=_integer)
    return _without_surrogates(found) if "\\u" in text else found


def loads_object(data: bytes) -> JsonObject:
    """Decode a JSON object; an empty one if `data` is anything else."""
    try:
        found = loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def arguments_text(arguments: Raw) -> str:
    """Return the arguments of a call as JSON text; they may be absent, null or already text."""
    data = bytes(arguments)
    if data in (b"", b"null"):
        return "{}"
    if data.startswith(b'"'):
        return str(loads(data)) or "{}"
    return data.decode(errors="replace")


def token_count(number: int | None) -> int:
    """Return a count of tokens within the range that every message of ours can hold."""
    return min(max(number or 0, 0), 2**31 - 1)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else math.inf


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


Fitter: TypeAlias = Callable[[Any], Any]


@cache
def _fitter(wanted: Any) -> Fitter:
    """Return a function that converts a plain value to `wanted`, or returns `_UNFIT`."""
    origin, args = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        return {_PROSE: _prose, _JSON: _json_text, _REASON: _reason}[args[1]]
    if origin in (Union, types.UnionType):
        return _fitter(next(arg for arg in args if arg is not types.NoneType))
    if origin is list:
        return _list_fitter(_fitter(args[0]))
    if isinstance(wanted, type) and issubclass(wanted, Struct):
        return _struct_fitter(wanted)
    return _PLAIN[wanted]


def _struct_fitter(wanted: type[Struct]) -> Fitter:
    members = [
        (field.encode_name, field.name, _fitter(field.type))
        for field in msgspec.structs.fields(wanted)
    ]
    # Some servers send the text itself, or the parts, in the place of an object that holds them.
    holders: list[tuple[str, Fitter]] = [(name, fit) for _, name, fit in members if fit is _prose]
    holders += [(field.name, _fitter(field.type)) for field in _lists_of_structs(wanted)]

    def fit(value: Any) -> Any:
        if isinstance(value, str | list):
            held = ((name, fit_member(value)) for name, fit_member in holders)
            return next(
                (wanted(**{name: kept}) for name, kept in held if kept and kept is not _UNFIT),
                _UNFIT,
            )
        if not isinstance(value, Mapping):
            return _UNFIT
        fitted = {}
        for key, name, fit_member in members:
            member = value.get(key)
            if member is not None and (kept := fit_member(member)) is not _UNFIT:
                fitted[name] = kept
        return wanted(**fitted)

    return fit


def _lists_of_structs(wanted: type[Struct]) -> list[msgspec.structs.FieldInfo]:
    return [field for field in msgspec.structs.fields(wanted) if "list[" in str(field.type)]


def _list_fitter(fit_item: Fitter) -> Fitter:
    def fit(value: Any) -> Any:
        items = value if isinstance(value, list) else [value]
        fitted = (fit_item(item) for item in items if item is not None)
        return [item for item in fitted if item is not _UNFIT]

    return fit


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return str(value) if _is_number(value) else _UNFIT


def _prose(value: Any) -> Any:
    if isinstance(value, list):
        texts = [_prose(item) for item in value]
        return "".join(text for text in texts if isinstance(text, str))
    if isinstance(value, dict):
        # A part; those of some other types have their text under another name.
        text = None if value.get("type") in _THOUGHTS else value.get("text")
        return _prose(text.get("value") if isinstance(text, dict) else text)
    return _text(value)


def _reason(value: Any) -> Any:
    if not isinstance(value, dict):
        return _text(value)
    return ": ".join(text for key in ("type", "message") if isinstance(text := value.get(key), str))


def _json_text(value: Any) -> Any:
    return value if isinstance(value, str) else _dumps(value)


def _raw(value: Any) -> Any:
    return Raw(_dumps(value).encode())


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _whole(value: Any) -> Any:
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
        return int(number) if math.isfinite(number) else _UNFIT
    except (TypeError, ValueError, OverflowError):
        return _UNFIT


def _truth(value: Any) -> Any:
    return value if isinstance(value, bool) else str(value).lower() == "true"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_PLAIN: dict[Any, Fitter] = {str: _text, int: _whole, bool: _truth, Raw: _raw}
