"""The files of the pictures that are drawn from the Mermaid diagrams of the pages."""

import hashlib
from pathlib import Path

PICTURES = Path(__file__).with_name("pictures")


def picture_name(text: str) -> str:
    """Return the file of a picture: it changes with the text that it is drawn from."""
    return f"{hashlib.sha256(text.strip().encode()).hexdigest()[:16]}.svg"
