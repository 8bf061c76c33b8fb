"""Names that people give to their sessions."""

import unicodedata

MAX_NAME = 200
# Format characters within words: of Persian, of Indian scripts, and of emoji.
JOINERS = "\u200c\u200d"


def name_problem(name: str) -> str:
    """Return why a text cannot be the name of a session, and what was expected; "" if it can."""
    if not name.strip():
        return "the name is empty: expected some characters that can be seen"
    if len(name) > MAX_NAME:
        return f"the name is too long: expected at most {MAX_NAME} characters, found {len(name)}"
    for position, character in enumerate(name):
        # "C": control and format characters, surrogates, and code points that are not assigned.
        category = unicodedata.category(character)
        if category in ("Zl", "Zp") or (category[0] == "C" and character not in JOINERS):
            return (
                "the name is no single line of text: expected no control characters, found"
                f" U+{ord(character):04X} at character {position + 1}"
            )
    return ""
