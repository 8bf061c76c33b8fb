"""Client keys: long random texts, of which only the SHA-256 is known here."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from msgspec import Struct

from omnia_core.files.auth import ClientKeyAuth
from omnia_facade.auth.bearer import bearer
from omnia_facade.auth.chain import Unauthorized
from omnia_facade.auth.claims import chosen, find
from omnia_facade.auth.principal import Origin, Principal

END_USER = "x-end-user-id"
ROLE = "role"


class ClientKey(Struct, frozen=True):
    """What is known of a key.

    Attributes:
        id: name of the Secret that it comes from.
        digest: SHA-256 of the key, 32 bytes.
        scopes: claims of whoever has the key.
        expires_at: the end of its life; None without one.
    """

    id: str
    digest: bytes
    scopes: dict[str, Any]
    expires_at: datetime | None = None


class ClientKeys:
    """Knows the keys that it was given; any other bearer token is somebody else's."""

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
        token = bearer(headers)
        key = self._find(token) if token else None
        if key is None:
            return None
        if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
            raise Unauthorized("the client key has expired")
        role = find(key.scopes, ROLE) or self._rules.default_role.value
        claims = chosen(key.scopes, (name for name in key.scopes if name != ROLE))
        end_user = headers.get(END_USER, "") if self._rules.trust_end_user_header else ""
        return Principal(key.id, Origin.CLIENT_KEY, role, claims, end_user)

    def _find(self, token: str) -> ClientKey | None:
        """Compare with every key: neither which one it is nor how much of it fits takes longer."""
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = None
        for each in self._keys:
            if self._same(each.digest, digest):
                found = each
        return found
