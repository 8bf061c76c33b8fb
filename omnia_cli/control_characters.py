"""Control characters of foreign text, made visible before a terminal could obey them.

A terminal acts on the C0 and C1 control characters of ECMA-48: they move the cursor, set the title,
or write to the clipboard. Line feed and tab are kept.
"""

_PICTURES = 0x2400  # Unicode: Control Pictures, in the order of the C0 characters
_KEPT = "\n\t"
_VISIBLE: dict[int, int | None] = {
    **{code: _PICTURES + code for code in range(0x20) if chr(code) not in _KEPT},
    # Line ends of other systems.
    ord("\r"): None,
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}


def visible(text: str) -> str:
    """Return the text with each control character replaced by a visible one."""
    return text.translate(_VISIBLE)
