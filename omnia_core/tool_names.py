"""The names by which a model sees the tools of several servers."""

import hashlib
import re
from collections.abc import Collection, Sequence

MAX_NAME = 64
_HASH_LENGTH = 8


def offered_names(tools: Sequence[tuple[str, str]]) -> list[str]:
    """Return the name of each tool for the model, from pairs of a handler and its tool.

    If several handlers have a tool of the same name, the first one keeps it, and the others' tools
    are offered as `handler__tool`. So is a tool whose name no model accepts.
    """
    # Original names come first: a generated name must not take one from a later handler.
    own = {tool for _, tool in tools if _valid(tool) == tool}
    names: dict[str, None] = {}
    for handler, tool in tools:
        name = tool
        if name in names or name not in own:
            name = _free(_valid(f"{handler}__{tool}"), own | names.keys())
        names[name] = None
    return list(names)


def _valid(text: str) -> str:
    """Return the text as a name that every vendor accepts: `^[A-Za-z0-9_-]{1,64}$`."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", text) or "tool"
    if len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{name[: MAX_NAME - _HASH_LENGTH - 1]}_{digest}"


def _free(name: str, taken: Collection[str]) -> str:
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        suffix = f"_{number}"
        candidate = name[: MAX_NAME - len(suffix)] + suffix
    return candidate
