"""The folder of a PromptPack: each version as `<version>.json`, and `placement.json`.

`placement.json` decides which version a new session gets. The bucket of a session is a number from
0 to 9999: the first eight bytes of the SHA-256 of its id, read as a big-endian fraction of one,
times 10000, rounded down. Sessions whose bucket is below 100 times the weight get the candidate.
The bucket never changes, so a growing weight moves sessions only to the candidate, and every
runtime decides alike.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from omnia_core.files.reading import decode_json

PLACEMENT_FILE = "placement.json"
BUCKETS = 10_000

_SUFFIX = ".json"


class Placement(Struct, frozen=True, omit_defaults=True):
    """The versions that new sessions get.

    Attributes:
        candidate: the version that is rolled out; "" when there is none.
        weight: percentage of new sessions that get the candidate.
    """

    stable: str
    candidate: str = ""
    weight: Annotated[int, Meta(ge=0, le=100)] = 0


def place(session_id: str, placement: Placement) -> str:
    """Return the version of a new session."""
    chosen = bucket_of(session_id) < placement.weight * BUCKETS // 100
    return placement.candidate if placement.candidate and chosen else placement.stable


def bucket_of(session_id: str) -> int:
    """Return the bucket of a session: 0 to 9999."""
    digest = hashlib.sha256(session_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") * BUCKETS >> 64


def file_of(version: str) -> str:
    """Return the file name of a version; `+` is not allowed in ConfigMap keys, and becomes `_`."""
    return version.replace("+", "_") + _SUFFIX


def version_of(file: str) -> str | None:
    """Return the version in a file; None when it is not the file of a version."""
    if file == PLACEMENT_FILE or file.startswith(".") or not file.endswith(_SUFFIX):
        return None
    return file.removesuffix(_SUFFIX).replace("_", "+")


def parse_placement(text: str, what: str) -> Placement:
    """Parse placement.json; error messages begin with `what`.

    Raises:
        ConfigurationError: the text is invalid; the message names line and column, or a path.
    """
    return decode_json(text, Placement, what)


def folder_content(placement: Placement, packs: Mapping[str, str]) -> dict[str, str]:
    """Return the files of the folder by name; `packs` maps versions to JSON text."""
    files = {file_of(version): text for version, text in packs.items()}
    return {**files, PLACEMENT_FILE: msgspec.json.encode(placement).decode()}
