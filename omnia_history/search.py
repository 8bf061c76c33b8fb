"""Sessions in which something was said; pure.

No index holds what was said. So a request looks through one piece of the list, newest first, and
its answer leads to the next piece, be it that nothing was found: each is fast, and all together
miss nothing.
"""

import msgspec
from msgspec import Struct

from omnia_history.filters import After, SessionFilter
from omnia_history.queries import OF_SESSIONS, Query, listed


class Piece(Struct, frozen=True):
    """What one request looks through, whichever is reached first; at least one session."""

    sessions: int = 5000
    messages: int = 10_000


PIECE = Piece()

# What records hold is JSON, of which a quick look at the bytes leaves little to be read: escapes
# are the same in the pattern, but names and other fields are looked at too. The type `json` takes
# every text that was stored; only reading a NUL out of it is an error.
_TEXT = "convert_from(messages.record, 'UTF8')"
_READ = (
    f"(regexp_replace({_TEXT}, '(?<!\\\\)((?:\\\\\\\\)*)\\\\u0000', '\\1\\\\ufffd', 'g')"
    "::json->>'content')"
)
# Not EXISTS, which may be planned as a look through all messages.
_SAID = (
    "(SELECT true FROM omnia.messages WHERE messages.session = sessions.key"  # noqa: S608 - our names
    " AND messages.role IN ('user', 'assistant')"
    f" AND CASE WHEN {_TEXT} ILIKE {{}} THEN {_READ} ILIKE {{}} ELSE false END LIMIT 1)"
)


def piece(namespace: str, wanted: SessionFilter, size: Piece) -> Query:
    """Find the last session of the piece, and whether there are more after it."""
    where = listed(namespace, wanted)
    order = "ORDER BY begun_at DESC, key DESC"
    statement = (
        "SELECT begun_at, key, more FROM ("  # noqa: S608 - our names
        "SELECT begun_at, key, row_number() OVER newest AS number,"
        " sum(kept) OVER newest - kept AS before, lead(key) OVER newest IS NOT NULL AS more"
        " FROM (SELECT begun_at, key, length - first_position AS kept FROM omnia.sessions"
        f" WHERE {where} {order} LIMIT {size.sessions + 1}) AS found WINDOW newest AS ({order})"
        f") AS counted WHERE number <= {size.sessions} AND before < {size.messages}"
        " ORDER BY begun_at, key LIMIT 1"
    )
    return statement, where.arguments


def sessions(namespace: str, wanted: SessionFilter, last: After) -> Query:
    """List the sessions of a piece, and one more than wanted if there is one."""
    where = listed(namespace, wanted)
    where.add("(begun_at, key) >= ({}, {})", last.begun_at, last.key)
    where.add(_SAID, *_patterns(wanted.said))
    order = f"ORDER BY begun_at DESC, key DESC LIMIT {wanted.limit + 1}"
    return f"{OF_SESSIONS} WHERE {where} {order}", where.arguments


def _patterns(said: str) -> tuple[str, str]:
    """Return what the bytes of a record match, and its text."""
    written = msgspec.json.encode(said).decode()[1:-1]
    return f"%{_literal(written)}%", f"%{_literal(said)}%"


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
