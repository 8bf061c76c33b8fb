"""The thoughts that come with tool calls, which Claude wants back unchanged, where they were.

Source: https://platform.claude.com/docs/en/build-with-claude/preserved-thinking
"""

from collections.abc import Sequence
from typing import TypeAlias

import orjson

from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message
from omnia_runtime.providers.claude.content import text_blocks

# A block of thinking, the length of a text, or None for a tool call.
Item: TypeAlias = JsonObject | int | None

# Tells our text from what another vendor's adapter left in the same conversation.
_MARK = "claude:"


def kept_layout(layout: Sequence[Item]) -> str:
    """Return how an answer was laid out, as the `opaque` text of its first tool call; "" for one
    without thoughts.
    """
    if not any(isinstance(item, dict) for item in layout):
        return ""
    return _MARK + orjson.dumps(layout).decode()


def laid_out(message: Message, calls: Sequence[JsonObject]) -> list[JsonObject] | None:
    """Return the blocks of an answer with its thoughts where they were.

    None when it has none, or is not what Claude said any more, as when a validator changed it.
    """
    opaque = message.tool_calls[0].opaque if message.tool_calls else ""
    if not opaque.startswith(_MARK):
        return None
    layout: list[Item] = orjson.loads(opaque.removeprefix(_MARK))
    said = sum(item for item in layout if isinstance(item, int))
    if said != len(message.content) or layout.count(None) != len(calls):
        return None
    blocks: list[JsonObject] = []
    position, ahead = 0, iter(calls)
    for item in layout:
        if item is None:
            blocks.append(next(ahead))
        elif isinstance(item, int):
            blocks += text_blocks(message.content[position : position + item])
            position += item
        else:
            blocks.append(item)
    return blocks
