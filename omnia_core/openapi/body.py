"""Request bodies: the media type that is sent, and the bytes of each kind of body."""

import secrets
from collections.abc import Iterator
from typing import Any

import msgspec

from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi.operation import Body, BodyKind, FieldEncoding
from omnia_core.openapi.styles import plain, query_pairs

_FORMS = {
    "application/x-www-form-urlencoded": BodyKind.FORM,
    "multipart/form-data": BodyKind.MULTIPART,
    "text/plain": BodyKind.TEXT,
}
# The first of these that an operation offers is sent. Models write a merge patch more reliably than
# the list of operations of a JSON patch.
_ORDER = (
    "application/json",
    "application/merge-patch+json",
    "+json",
    "*",
    "application/json-patch+json",
    *_FORMS,
)


class BodyUnusable(ValueError):
    """A value cannot be sent as the body."""


def media_type(content: JsonObject) -> str | None:
    """Return the media type to send, as the document writes it; None if tools can send none."""
    ranked = [(_rank(_bare(name)), name) for name in content]
    usable = [(rank, name) for rank, name in ranked if rank < len(_ORDER)]
    return min(usable, key=lambda entry: entry[0])[1] if usable else None


def body_kind(media: str) -> BodyKind:
    """Return how a body of a media type that `media_type` returned is written."""
    return _FORMS.get(_bare(media), BodyKind.JSON)


def _rank(bare: str) -> int:
    if bare in _ORDER:
        return _ORDER.index(bare)
    if bare in {"*/*", "application/*"}:
        return _ORDER.index("*")
    is_json = bare.endswith("+json") or bare in {"text/json", "application/x-json"}
    return _ORDER.index("+json") if is_json else len(_ORDER)


def _bare(name: str) -> str:
    return name.partition(";")[0].strip().lower()


def encode_body(body: Body, value: Any) -> tuple[str, bytes]:
    """Return the Content-Type and the bytes of a body.

    Raises:
        BodyUnusable: a form is not an object, or a field has a name that cannot be sent.
    """
    if body.kind is BodyKind.JSON:
        return body.content_type, msgspec.json.encode(value)
    if body.kind is BodyKind.TEXT:
        return body.content_type, plain(value).encode()
    if not isinstance(value, dict):
        raise BodyUnusable("has to be an object of the fields of a form")
    # null has no text form: in a form it means no value.
    fields = {name: field for name, field in value.items() if field is not None}
    if body.kind is BodyKind.FORM:
        pairs = [pair for name in fields for pair in _form_pairs(body, name, fields[name])]
        return body.content_type, "&".join(pairs).encode()
    return _multipart(body, fields)


def _form_pairs(body: Body, name: str, value: Any) -> list[str]:
    encoding = body.encodings.get(name, FieldEncoding())
    if encoding.style is None and (encoding.is_json or isinstance(value, dict)):
        value = plain(value)
    return query_pairs(name, value, encoding.style or "form", explode=encoding.explode)


def _multipart(body: Body, fields: JsonObject) -> tuple[str, bytes]:
    boundary = secrets.token_hex(16)
    parts = [part for name in fields for part in _parts(body, name, fields[name])]
    lines = [f"--{boundary}\r\n{part}\r\n" for part in parts]
    content = "".join([*lines, f"--{boundary}--\r\n"])
    return f'multipart/form-data; boundary="{boundary}"', content.encode()


def _parts(body: Body, name: str, value: Any) -> Iterator[str]:
    """Write the parts of a field: one for each item of a list, as OpenAPI says."""
    is_json = body.encodings.get(name, FieldEncoding()).is_json
    # As HTML's forms write a name.
    shown = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    for item in value if isinstance(value, list) and not is_json else [value]:
        kind = "\r\nContent-Type: application/json" if is_json or isinstance(item, dict) else ""
        yield f'Content-Disposition: form-data; name="{shown}"{kind}\r\n\r\n{plain(item)}'
