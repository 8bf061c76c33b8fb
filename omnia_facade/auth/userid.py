"""What the runtime knows a person by: stable, and no name can be read from it."""

import hmac
from hashlib import sha256

import msgspec

from omnia_facade.auth.principal import Principal

_DIGITS = 16


def user_id(name: str, key: bytes | None) -> str:
    """Return 16 hexadecimal digits; with a key, nobody without it can try names out."""
    # Half of a surrogate pair is no text, and may come in a header or a claim.
    data = name.encode("utf-8", "surrogatepass")
    if key is None:
        return sha256(data).hexdigest()[:_DIGITS]
    return hmac.new(key, data, sha256).hexdigest()[:_DIGITS]


def identified(principal: Principal, key: bytes | None) -> Principal:
    """Return the principal with the id of the person who asks."""
    return msgspec.structs.replace(
        principal, user_id=user_id(principal.end_user or principal.subject, key)
    )
