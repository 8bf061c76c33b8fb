"""What can be said about the content of a valid PromptPack."""

from omnia_core.errors import ConfigurationError
from omnia_core.files.pack.parse import read_pack

_SHOWN = 3


def remarks(text: str) -> str:
    """Say which format a pack needs, and what in it looks wrong; "" when it cannot be read."""
    try:
        outcome = read_pack(text)
    except ConfigurationError:
        return ""
    needed = (
        f"PromptPack format {outcome.format} or later"
        if outcome.format
        else "with keys that only Omnia knows"
    )
    shown = [str(each) for each in outcome.issues[:_SHOWN]]
    if more := len(outcome.issues) - len(shown):
        shown.append(f"{more} more: omnia validate lists them")
    return "; ".join([needed, *shown])
