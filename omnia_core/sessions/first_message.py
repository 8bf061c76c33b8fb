"""The first words of a session: its title for people while it has no name."""

import json
import re
import unicodedata
from collections.abc import Sequence

from omnia_core.sessions.given_names import JOINERS
from omnia_core.sessions.records import Message, Session

MAX_CHARACTERS = 80
# How much of a stored message has its first words: a character takes up to twelve of JSON.
RECORD_PREFIX = 1024

_CONTENT = re.compile(
    r"""\s*\{\s*"role"\s*:\s*"user"\s*,\s*"content"\s*:\s*"
    ((?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)""",
    re.VERBOSE,
)
# Control and format characters, halves of surrogate pairs, and separators of lines.
_NOT_SHOWN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def first_words(text: str) -> str:
    """Return the beginning of a message on one line: what is in its first `MAX_CHARACTERS`."""
    shown = [" " if _is_not_shown(each) else each for each in text[:MAX_CHARACTERS]]
    return " ".join("".join(shown).split())


def first_message(session: Session) -> str:
    """Return the first words that a user said in a session; "" if these are deleted or missing."""
    return "" if session.deleted else first_said(session.messages)


def first_said(messages: Sequence[Message]) -> str:
    """Return the first words of a user in messages; "" if there are none."""
    said = (message.content for message in messages if message.role == "user")
    return first_words(next(said, ""))


def recorded_first_words(prefix: bytes | str | None) -> str:
    """Return the first words of the beginning of a stored message of a user.

    Args:
        prefix: the first `RECORD_PREFIX` bytes or characters of its JSON; None without a message.
    """
    text = prefix.decode(errors="ignore") if isinstance(prefix, bytes) else prefix or ""
    found = _CONTENT.match(text)
    return first_words(json.loads(f'"{found[1]}"', strict=False)) if found else ""


def _is_not_shown(character: str) -> bool:
    return unicodedata.category(character) in _NOT_SHOWN and character not in JOINERS
