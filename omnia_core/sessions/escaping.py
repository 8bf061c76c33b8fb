"""Text in the columns of a database, which cannot contain the character NUL."""


def replace_nul(value: str) -> str:
    """Return a text for people in which NUL is U+FFFD."""
    return value.replace("\0", "\ufffd")


def escape_nul(value: str) -> str:
    """Return a text without NUL, which PostgreSQL cannot store; `unescape_nul` reverses it."""
    return value.replace("\\", "\\\\").replace("\0", "\\0")


def unescape_nul(value: str) -> str:
    """Return the text that `escape_nul` escaped."""
    return "\\".join(part.replace("\\0", "\0") for part in value.split("\\\\"))
