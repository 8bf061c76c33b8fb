"""Names of tools and arguments: valid, unique, and the same whenever the document is the same."""

import hashlib
import re
from collections.abc import Iterable

LONGEST = 64
_HASH = 8


def tool_name(text: str) -> str:
    """Write `text` in lower case with underscores, as `^[a-z][a-z0-9_]*$` wants; "" if nothing is
    left of it.
    """
    apart = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text)
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", apart)
    name = re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")
    if name[:1].isdigit():
        name = f"op_{name}"
    return _shortened(name, text)


def _shortened(name: str, text: str) -> str:
    if len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(text.encode()).hexdigest()[:_HASH]
    return f"{name[: LONGEST - _HASH - 1]}_{digest}"


def unique(names: Iterable[str]) -> list[str]:
    """Number what occurs again: the first keeps its name, the others become `name_2`, `name_3`."""
    wanted = list(names)
    taken = set(wanted)
    seen: set[str] = set()
    result = []
    for name in wanted:
        result.append(_numbered(name, taken) if name in seen else name)
        seen.add(name)
        taken.add(result[-1])
    return result


def _numbered(name: str, taken: set[str]) -> str:
    number = 2
    while True:
        suffix = f"_{number}"
        candidate = name[: LONGEST - len(suffix)] + suffix
        if candidate not in taken:
            return candidate
        number += 1
