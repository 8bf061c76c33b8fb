"""Client keys: long random strings, of which the mounted Secret holds the SHA-256 only."""

import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from omnia_core import names
from omnia_core.files.auth import ClientKeyAuth
from omnia_facade.auth.chain import Unauthorized
from omnia_facade.auth.principal import Origin, Principal
from omnia_facade.auth.tokens import bearer_token, claim_text, claim_texts

END_USER = "x-end-user-id"
ROLE = "role"
_HASH_BYTES = 32  # of SHA-256

_log = structlog.get_logger()


class ClientKey(Struct, frozen=True):
    """One key.

    Attributes:
        id: name of the Secret that it comes from.
        digest: SHA-256 of the key, 32 bytes.
        scopes: claims of the key's owner.
        expires_at: the key is invalid from then on; None if it does not expire.
    """

    id: str
    digest: bytes
    scopes: dict[str, Any]
    expires_at: datetime | None = None


class ClientKeyValidator:
    """Accepts bearer tokens that are one of the keys; others are for other validators."""

    def __init__(
        self,
        rules: ClientKeyAuth,
        keys: Sequence[ClientKey],
        same: Callable[[bytes, bytes], bool] = hmac.compare_digest,
    ) -> None:
        self._rules = rules
        self._keys = keys
        self._same = same

    @property
    def expected(self) -> str:
        return "a client key"

    async def validate(self, headers: Mapping[str, str]) -> Principal | None:
        token = bearer_token(headers)
        key = self._find(token) if token else None
        if key is None:
            return None
        if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
            raise Unauthorized("the client key has expired")
        role = claim_text(key.scopes, ROLE) or self._rules.default_role.value
        claims = claim_texts(key.scopes, (name for name in key.scopes if name != ROLE))
        end_user = headers.get(END_USER, "") if self._rules.trust_end_user_header else ""
        return Principal(key.id, Origin.CLIENT_KEY, role, claims, end_user)

    def _find(self, token: str) -> ClientKey | None:
        """Compare with every key: the time reveals neither which key matches nor how far."""
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = None
        for key in self._keys:
            if self._same(key.digest, digest):
                found = key
        return found


def read_client_keys(folder: Path) -> tuple[ClientKey, ...]:
    """Read the usable keys of the mounted Secret; why another one is unusable is logged."""
    suffix = f".{names.CLIENT_KEY_HASH}"
    return tuple(
        key
        for path in sorted(folder.glob(f"*{suffix}"))
        for key in _usable(folder, path.name.removesuffix(suffix))
    )


def _usable(folder: Path, name: str) -> Iterator[ClientKey]:
    try:
        yield _read(folder, name)
    except (OSError, ValueError) as error:
        # Without its expiry or its scopes a key could be accepted for more than was granted.
        _log.warning("client key ignored", secret=name, reason=str(error))


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
