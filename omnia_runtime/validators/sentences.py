"""How many sentences a text has."""

import re

# A run of marks with what closes quotes and brackets, before white space or the end; the full stops
# of Chinese and Japanese, which no space follows; an empty line. Possessive, so that it is linear.
_END = re.compile(
    r"(?<![.!?…])[.!?…]++[\"'”’)\]»]*+(?=\s|\Z)|[。！？]++[」』”’）]*+|\n[^\S\n]*+\n"  # noqa: RUF001 - these are the characters
)
_NEXT = re.compile(r"\s*+(\S)")
_ABBREVIATED = re.compile(
    r"(?:\b[A-Za-z]|\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|Nr|e\.g|i\.e|z\.B|d\.h))\Z"
)
_LOOKED_BACK = 6  # characters: the longest abbreviation, and one before it


def count_sentences(text: str) -> int:
    """Count the sentences; a piece without a letter or digit beside its number is none.

    A full stop ends no sentence after an initial or a common abbreviation, nor before a small
    letter; "1." at the beginning of a list's item is no sentence.
    """
    count, begin = 0, 0
    for match in _END.finditer(text):
        if match[0] == "." and not _ends(text, match.start()):
            continue
        count += _says_something(text[begin : match.end()])
        begin = match.end()
    return count + _says_something(text[begin:])


def _ends(text: str, stop: int) -> bool:
    if _ABBREVIATED.search(text[max(0, stop - _LOOKED_BACK) : stop]):
        return False
    after = _NEXT.match(text, stop + 1)
    return after is None or not after[1].islower()


def _says_something(piece: str) -> bool:
    stripped = piece.strip()
    if re.fullmatch(r"[0-9]{1,3}[.)]", stripped):
        return False
    return any(char.isalnum() for char in stripped)
