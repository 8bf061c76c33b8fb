"""What a model thought before it called a tool: kept with the call, in the vendor's encryption.

A model that gets it back goes on where it was; without it, it thinks everything again.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from omnia_core.jsonvalue import JsonObject


class Thought(Struct, frozen=True):
    """The reasoning items before a call, and the model that alone can read them."""

    model: str
    items: list[JsonObject]
    vendor: str = "openai"


def remembered(model: str, items: Sequence[msgspec.Raw]) -> str:
    """Return reasoning items as the opaque text of a tool call."""
    if not items:
        return ""
    kept = [msgspec.json.decode(item, type=JsonObject) for item in items]
    return msgspec.json.encode({"vendor": "openai", "model": model, "items": kept}).decode()


def recalled(opaque: str, model: str) -> list[JsonObject]:
    """Return the reasoning items in the opaque text of a call; [] when another model wrote it."""
    if not opaque:
        return []
    try:
        thought = msgspec.json.decode(opaque, type=Thought)
    except msgspec.DecodeError:
        return []
    return thought.items if (thought.vendor, thought.model) == ("openai", model) else []
