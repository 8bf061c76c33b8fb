"""The mounted Secret: client keys, and the key of the user ids."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog

from omnia_core import names
from omnia_facade.auth.clientkeys import ClientKey

_HASH_BYTES = 32  # of SHA-256

_log = structlog.get_logger()


def read_client_keys(folder: Path) -> tuple[ClientKey, ...]:
    """Read the keys that can be used. What is wrong with another one is logged."""
    suffix = f".{names.CLIENT_KEY_HASH}"
    return tuple(
        key
        for path in sorted(folder.glob(f"*{suffix}"))
        for key in _readable(folder, path.name.removesuffix(suffix))
    )


def read_user_id_key(folder: Path) -> bytes | None:
    """Read the key of the user ids; None where there is none."""
    try:
        return (folder / names.USER_ID_KEY).read_bytes() or None
    except FileNotFoundError:
        return None


def _readable(folder: Path, name: str) -> Iterator[ClientKey]:
    try:
        yield _read(folder, name)
    except (OSError, ValueError) as error:
        # A key that might have expired, or might be allowed less, is no key.
        _log.warning("client key left out", secret=name, reason=str(error))


def _read(folder: Path, name: str) -> ClientKey:
    digest = (folder / f"{name}.{names.CLIENT_KEY_HASH}").read_bytes()
    if len(digest) != _HASH_BYTES:
        raise ValueError(
            f"{names.CLIENT_KEY_HASH}: expected the {_HASH_BYTES} raw bytes of a SHA-256,"
            f" found {len(digest)}"
        )
    return ClientKey(
        name,
        digest,
        _scopes(_text(folder, name, names.CLIENT_KEY_SCOPES)),
        _expiry(_text(folder, name, names.CLIENT_KEY_EXPIRY)),
    )


def _text(folder: Path, name: str, key: str) -> str:
    try:
        return (folder / f"{name}.{key}").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def _scopes(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ValueError(f"{names.CLIENT_KEY_SCOPES}: expected a JSON object: {error}") from error


def _expiry(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"{names.CLIENT_KEY_EXPIRY}: expected a time such as 2027-01-31T12:00:00Z")
    return moment
