"""Who is asking, as call metadata. No credential goes further than the facade."""

import re
from collections.abc import Iterator
from urllib.parse import quote

from omnia_core import names
from omnia_facade.auth.principal import Principal

# gRPC refuses a call whose metadata has more than 16 KiB.
MAX_CLAIMS = 32
MAX_VALUE = 1024
MAX_TOTAL = 6 * 1024
_MAX_NAME = 64
_ROLE = "role"
# gRPC takes the values of such names for bytes.
_BINARY = re.compile(r"-bin$")
_UNSAFE = re.compile(r"[^a-z0-9_.-]+")


def caller_metadata(principal: Principal) -> tuple[tuple[str, str], ...]:
    """Return the metadata about a principal: user id, origin, address, claims.

    Values are ASCII, others percent-encoded. A claim that is too long is left out, because its
    beginning could mean something else; so is what is more than all claims may have together.
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
