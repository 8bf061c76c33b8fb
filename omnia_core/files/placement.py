"""The folder of a PromptPack: each version in use as `<version>.json`, and `placement.json`, which
says which of them new sessions get.

A session's place is a number from 0 to 9999: the first eight bytes of the SHA-256 of its id, read
as a big-endian fraction of one, times 10000, rounded down. A session whose place is below a
hundred times the weight gets the candidate. The place never changes, so that a growing weight
moves sessions to the candidate only, and every runtime places a session alike.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from omnia_core.files.reading import decode_json

PLACEMENT_FILE = "placement.json"
PLACES = 10_000

_SUFFIX = ".json"


class Placement(Struct, frozen=True, omit_defaults=True):
    """Which versions new sessions get.

    Attributes:
        candidate: the version that is taking over; "" when there is none.
        weight: percentage of new sessions that get the candidate.
    """

    stable: str
    candidate: str = ""
    weight: Annotated[int, Meta(ge=0, le=100)] = 0


def place(session_id: str, placement: Placement) -> str:
    """Return the version that a session begins with."""
    chosen = place_of(session_id) < placement.weight * PLACES // 100
    return placement.candidate if placement.candidate and chosen else placement.stable


def place_of(session_id: str) -> int:
    """Return the place of a session: 0 to 9999."""
    digest = hashlib.sha256(session_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") * PLACES >> 64


def file_of(version: str) -> str:
    """Return the name of a version's file. A ConfigMap's key has no `+`, a version no `_`."""
    return version.replace("+", "_") + _SUFFIX


def version_of(file: str) -> str | None:
    """Return the version whose content a file holds; None when it is no version's file."""
    if file == PLACEMENT_FILE or file.startswith(".") or not file.endswith(_SUFFIX):
        return None
    return file.removesuffix(_SUFFIX).replace("_", "+")


def parse_placement(text: str, what: str) -> Placement:
    """Parse a placement; `what` begins the error message.

    Raises:
        ConfigurationError: names the line and column, or the path of the wrong value.
    """
    return decode_json(text, Placement, what)


def folder_content(placement: Placement, packs: Mapping[str, str]) -> dict[str, str]:
    """Return the files of the folder by name; `packs` are the versions' contents as JSON text."""
    files = {file_of(version): text for version, text in packs.items()}
    return {**files, PLACEMENT_FILE: msgspec.json.encode(placement).decode()}
