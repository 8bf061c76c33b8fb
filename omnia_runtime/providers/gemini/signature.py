"""The signature of a tool call, which Gemini 3 wants back unchanged.

Source: https://ai.google.dev/gemini-api/docs/thought-signatures
"""

# What the vendor takes for a call that it did not sign: one that another model made.
NO_SIGNATURE = "skip_thought_signature_validator"

# Tells our text from what another vendor's adapter left in the same conversation.
_MARK = "gemini:"


def kept_signature(value: str) -> str:
    """Return a signature as the `opaque` text of its call."""
    return _MARK + value if value else ""


def signature(opaque: str) -> str:
    """Return the signature that a call's `opaque` holds; "" when it is another vendor's."""
    return opaque.removeprefix(_MARK) if opaque.startswith(_MARK) else ""
