"""Reads and verifies JSON Web Tokens (RFC 7515, 7517, 7519, 8725)."""

import asyncio
import importlib
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject, check_depth

LEEWAY_SECONDS = 30
# At most this many keys of the issuer are tried for a token without a key id.
_MAX_TRIED_KEYS = 8
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
# By key type and curve. `none` and HMAC are not allowed: HMAC would use the public key as secret.
_ALGORITHMS_OF_KEY: dict[tuple[str, str], frozenset[str]] = {
    ("RSA", ""): _RSA,
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
    ("OKP", "Ed448"): frozenset({"EdDSA"}),
}

ALGORITHMS = frozenset().union(*_ALGORITHMS_OF_KEY.values())
# Private members of keys must not get into a file that everybody may read.
_PUBLIC = frozenset({"kty", "kid", "use", "key_ops", "alg", "crv", "n", "e", "x", "y"})
_TYPES = frozenset({"RSA", "EC", "OKP"})


class Unauthorized(Exception):
    """The credential is missing or wrong; the message may be shown to the caller."""


class UnverifiedToken(Struct, frozen=True):
    """What a token claims. Use it only to select the verifier."""

    algorithm: str
    key_id: str | None
    issuer: str
    audiences: tuple[str, ...]


def read_unverified(token: str) -> UnverifiedToken | None:
    """Read a token without verifying it; None when it is not a JSON Web Token."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
        return None
    header, claims = _json(parts[0]), _json(parts[1])
    if header is None or claims is None:
        return None
    key_id, audience = header.get("kid"), claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    return UnverifiedToken(
        algorithm=str(header.get("alg")),
        key_id=key_id if isinstance(key_id, str) else None,
        issuer=str(claims.get("iss", "")),
        audiences=tuple(value for value in audiences if isinstance(value, str)),
    )


class TokenVerifier:
    """Verifies tokens of one issuer for one audience, which may have another name too."""

    def __init__(
        self, issuer: str, audience: str, keys: Sequence[JsonObject], *, alias: str = ""
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._audiences = (audience, alias) if alias else (audience,)
        self._keys = keys
        self._loaded: dict[tuple[int, str], Any] = {}

    async def verify(self, token: str, read: UnverifiedToken) -> Mapping[str, Any]:
        """Return the claims of a valid token.

        Raises:
            Unauthorized: the token is invalid; the message says why.
        """
        if read.algorithm not in ALGORITHMS:
            raise Unauthorized(
                f'the token is signed with "{read.algorithm[:16]}"; expected one of'
                f" {', '.join(sorted(ALGORITHMS))}"
            )
        candidates = [
            index for index, key in enumerate(self._keys) if _fits(key, read.algorithm, read)
        ]
        if not candidates:
            raise Unauthorized("the issuer of the token has no key with its key id and algorithm")
        library = await _library()
        for index in candidates[:_MAX_TRIED_KEYS]:
            try:
                return self._decoded(library, token, index, read.algorithm)
            except library.InvalidSignatureError:
                continue
            except (library.PyJWTError, ValueError, TypeError, OverflowError) as error:
                raise Unauthorized(self._explained(library, error)) from error
        raise Unauthorized("the signature of the token does not match the key that it names")

    def _decoded(self, library: Any, token: str, index: int, algorithm: str) -> Mapping[str, Any]:
        key = self._loaded.get((index, algorithm))
        if key is None:
            key = library.PyJWK(self._keys[index], algorithm=algorithm)
            self._loaded[index, algorithm] = key
        # The options of the instance refuse short keys, those of the call refuse claims.
        decoder = library.PyJWT({"enforce_minimum_key_length": True})
        claims: Mapping[str, Any] = decoder.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self._audiences,
            issuer=self._issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud"]},
        )
        return claims

    def _explained(self, library: Any, error: Exception) -> str:
        if isinstance(error, library.MissingRequiredClaimError):
            return f'the token has no claim "{error.claim}"'
        texts = {
            library.ExpiredSignatureError: "the token has expired",
            library.ImmatureSignatureError: "the token is not valid yet",
            library.InvalidAudienceError: "the token is for another audience; expected"
            f" {self._audience}",
            library.InvalidKeyError: "the key of the issuer for the token cannot be used",
            library.PyJWKError: "the key of the issuer for the token cannot be used",
        }
        return texts.get(type(error), "the token is malformed")


def public_keys(jwks: JsonObject) -> tuple[JsonObject, ...]:
    """Return the signature keys of a JWK set, with their public members only.

    Raises:
        ConfigurationError: there is no such key.
    """
    listed = jwks.get("keys")
    keys = tuple(
        {name: value for name, value in key.items() if name in _PUBLIC}
        for key in (listed if isinstance(listed, list) else ())
        if isinstance(key, dict) and key.get("kty") in _TYPES and key.get("use", "sig") == "sig"
    )
    if not keys:
        raise ConfigurationError("it publishes no RSA, EC or OKP key for signatures")
    return keys


def _fits(key: JsonObject, algorithm: str, read: UnverifiedToken) -> bool:
    """Whether a JWK may verify a token: key id, use and algorithm have to match."""
    kind = str(key.get("kty", ""))
    curve = "" if kind == "RSA" else str(key.get("crv", ""))
    return (
        algorithm in _ALGORITHMS_OF_KEY.get((kind, curve), ())
        and key.get("alg", algorithm) == algorithm
        and key.get("use", "sig") == "sig"
        and "verify" in key.get("key_ops", ("verify",))
        and (read.key_id is None or key.get("kid") == read.key_id)
    )


def _json(part: str) -> JsonObject | None:
    try:
        data = urlsafe_b64decode(part + "=" * (-len(part) % 4))
        check_depth(data)
        return msgspec.json.decode(data, type=dict[str, Any])
    except ValueError:
        return None


_imported: list[Any] = []


async def _library() -> Any:
    """Import the library with the first token: 9 MB that most idle pods never need."""
    if not _imported:
        # In a thread, because the import takes a tenth of a second.
        _imported.append(await asyncio.to_thread(importlib.import_module, "jwt"))
    return _imported[0]
