"""What a Claude model takes, as far as its name tells."""

import re
from functools import lru_cache

from msgspec import Struct

# Names such as claude-3-5-haiku-20241022, claude-opus-4-1 and claude-sonnet-5.
_NAME = re.compile(r"claude-(?:([a-z]+)-)?(\d+)(?:[-.](\d{1,2}))?(?![\d.])")
_NEWEST = (99, 0)
# The first version of each line that thinks always, and refuses to be made to call a tool.
_NEVER_FORCED = {"opus": (5, 5), "fable": (5, 1), "mythos": (5, 1)}


class Abilities(Struct, frozen=True):
    """What differs between the generations.

    Attributes:
        sampling: it takes temperature, top_p and top_k; a newer one refuses the request.
        both: it takes temperature and top_p in one request.
        forced: it can be made to call a tool.
        thinks: it thinks by itself, and its thoughts count as output.
        schemas: it can be held to an output schema.
    """

    sampling: bool
    both: bool
    forced: bool
    thinks: bool
    schemas: bool


@lru_cache(maxsize=64)
def abilities(model: str) -> Abilities:
    """Return what a model takes. A Claude without a version is new; what is no Claude, behind a
    compatible server, takes all parameters.

    Source: https://platform.claude.com/docs/en/about-claude/models/migration-guide
    """
    found = _NAME.search(model)
    version = (int(found[2]), int(found[3] or 0)) if found else _NEWEST
    if "claude" not in model:
        version = (0, 0)
    line = found[1] if found else None
    return Abilities(
        sampling=version < (4, 7),
        both=version < (4, 1),
        forced=version < _NEVER_FORCED.get(line or "", _NEWEST),
        thinks=version >= (4, 7),
        schemas=version >= (4, 5),
    )
