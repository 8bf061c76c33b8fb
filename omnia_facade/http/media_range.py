"""Which bytes of a file a download gets, and its headers (RFC 9110, sections 13 and 14)."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from msgspec import Struct

from omnia_core.media import MediaRecord

_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)
# What a quoted string has to escape, and what some clients take for a folder.
_UNSAFE = re.compile(r'["\\/%]|[^\x20-\x7e]')


class Selection(Struct, frozen=True):
    """What to answer: a status, and `length` bytes from `start`."""

    status: int
    start: int
    length: int

    def content_range(self, size: int) -> str:
        """Return the header that says which part of `size` bytes it is; "" for no part."""
        if self.status == 416:  # noqa: PLR2004 - an HTTP status
            return f"bytes */{size}"
        if self.status == 206:  # noqa: PLR2004 - likewise
            return f"bytes {self.start}-{self.start + self.length - 1}/{size}"
        return ""


def entity_tag(record: MediaRecord) -> str:
    """Return the ETag: what has this id never changes."""
    return f'"{record.media_id}"'


def select(method: str, headers: Mapping[str, str], etag: str, size: int) -> Selection:
    """Choose what a GET or HEAD gets: 200, 206, 304 or 416.

    Of several ranges, or one that cannot be read, the whole file is the answer, as it may be.
    """
    known = headers.get("If-None-Match", "")
    if known.strip() == "*" or etag in {
        each.strip().removeprefix("W/") for each in known.split(",")
    }:
        return Selection(304, 0, 0)
    found = _RANGE.fullmatch(headers.get("Range", "")) if method == "GET" else None
    if found is None or headers.get("If-Range") not in (None, etag):
        return Selection(200, 0, size)
    first, last = found.groups()
    if not first:
        if not last:
            return Selection(200, 0, size)
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), int(last) if last else size - 1
        if last and end < start:
            return Selection(200, 0, size)
    end = min(end, size - 1)
    if start >= size:
        return Selection(416, 0, 0)
    return Selection(206, start, end - start + 1)


def download_headers(record: MediaRecord) -> dict[str, str]:
    """Return the headers of a file: no browser runs it as a page of this agent."""
    return {
        "Content-Type": record.mime_type,
        "Content-Disposition": disposition(record.filename),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-cache",
        "Accept-Ranges": "bytes",
        "ETag": entity_tag(record),
    }


def disposition(filename: str) -> str:
    """Return a Content-Disposition (RFC 6266): the name in ASCII, and as it is if it is more."""
    plain = _UNSAFE.sub("_", filename)
    header = f'attachment; filename="{plain}"'
    if plain == filename:
        return header
    name = filename.replace("/", "_").replace("\\", "_")
    return f"{header}; filename*=UTF-8''{quote(name, safe='')}"
