"""The public keys of a JSON Web Key Set (RFC 7517)."""

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject

# Secrets of issuers have no business in a file that everybody may read.
_PUBLIC = frozenset({"kty", "kid", "use", "key_ops", "alg", "crv", "n", "e", "x", "y"})
_TYPES = frozenset({"RSA", "EC", "OKP"})


def public_keys(jwks: JsonObject) -> tuple[JsonObject, ...]:
    """Return the keys of a JWK set that can sign tokens, without what is not public.

    Raises:
        ConfigurationError: there are none.
    """
    listed = jwks.get("keys")
    keys = tuple(
        {name: value for name, value in each.items() if name in _PUBLIC}
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict) and each.get("kty") in _TYPES and each.get("use", "sig") == "sig"
    )
    if not keys:
        raise ConfigurationError("it publishes no RSA, EC or OKP key for signatures")
    return keys
