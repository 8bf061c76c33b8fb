"""Texts in PostgreSQL, which cannot hold the character NUL: written so that no two values meet."""


def written(value: str) -> str:
    """Return what the database keeps of a text."""
    return value.replace("\\", "\\\\").replace("\0", "\\0")


def read(value: str) -> str:
    """Return the text of which the database keeps this."""
    return "\\".join(part.replace("\\0", "\0") for part in value.split("\\\\"))
