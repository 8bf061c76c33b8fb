"""The caller of a turn as call metadata. Credentials are never sent to the runtime."""

import re
from collections.abc import Iterator
from urllib.parse import quote

from omnia_core import names
from omnia_facade.auth.principal import Principal

# gRPC rejects calls with more than 16 KiB of metadata.
MAX_CLAIMS = 32
MAX_VALUE = 1024
MAX_TOTAL = 6 * 1024
_MAX_NAME = 64
_ROLE = "role"
# gRPC treats values of such names as bytes.
_BINARY = re.compile(r"-bin$")
_UNSAFE = re.compile(r"[^a-z0-9_.-]+")


def caller_metadata(principal: Principal) -> tuple[tuple[str, str], ...]:
    """Return the metadata about a principal: user id, origin, address, claims.

    Values that are not ASCII are percent-encoded. Claims that are too long, or exceed the limits
    of all claims together, are omitted; they are not truncated, which could change their meaning.
    """
    return (
        *_named(names.METADATA_USER_ID, principal.user_id),
        *_named(names.METADATA_ORIGIN, principal.origin),
        *_named(names.METADATA_USER_EMAIL, principal.email),
        *_claims(principal),
    )


def _named(name: str, value: str) -> Iterator[tuple[str, str]]:
    text = _ascii(value)
    if 0 < len(text) <= MAX_VALUE:
        yield name, text


def _claims(principal: Principal) -> Iterator[tuple[str, str]]:
    room = MAX_TOTAL
    seen: set[str] = set()
    role = ((_ROLE, principal.role),) if principal.role else ()
    for claim, value in (*role, *principal.claims):
        name = _UNSAFE.sub("-", claim.lower()).strip("-")[:_MAX_NAME]
        name = _BINARY.sub("_bin", name)
        for key, text in _named(f"{names.METADATA_CLAIM}{name}", value):
            room -= len(key) + len(text)
            if name and name not in seen and len(seen) < MAX_CLAIMS and room >= 0:
                seen.add(name)
                yield key, text


def _ascii(value: str) -> str:
    return quote(value, safe="@:/|+=,", errors="replace")
