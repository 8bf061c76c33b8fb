"""JSON Web Tokens: what one says of itself, and whether it is true (RFC 7515, 7519, 8725)."""

import asyncio
import binascii
import importlib
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from omnia_core.jsonvalue import JsonObject

LEEWAY_SECONDS = 30
# A token without a key id is tried with this many keys of its issuer.
_TRIED = 8

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
# By key type and curve. There is neither `none` nor an HMAC, whose secret would be a public key.
_FITTING: dict[tuple[str, str], frozenset[str]] = {
    ("RSA", ""): _RSA,
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
    ("OKP", "Ed448"): frozenset({"EdDSA"}),
}
ALGORITHMS = frozenset().union(*_FITTING.values())


class Unauthorized(Exception):
    """The credential is missing or wrong; the message may be shown to the caller."""


class Unverified(Struct, frozen=True):
    """What a token says of itself. It chooses who checks the token, and nothing else."""

    algorithm: str
    key_id: str | None
    issuer: str
    audiences: tuple[str, ...]


def unverified(token: str) -> Unverified | None:
    """Read a token without believing it; None when it is no JSON Web Token."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
        return None
    header, claims = _json(parts[0]), _json(parts[1])
    if header is None or claims is None:
        return None
    key_id, audience = header.get("kid"), claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    return Unverified(
        algorithm=str(header.get("alg")),
        key_id=key_id if isinstance(key_id, str) else None,
        issuer=str(claims.get("iss", "")),
        audiences=tuple(each for each in audiences if isinstance(each, str)),
    )


class TokenVerifier:
    """Checks tokens of one issuer for one audience."""

    def __init__(self, issuer: str, audience: str, keys: Sequence[JsonObject]) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._loaded: dict[tuple[int, str], Any] = {}

    async def verify(self, token: str, read: Unverified) -> Mapping[str, Any]:
        """Return the claims of a token.

        Raises:
            Unauthorized: says why the token is not accepted.
        """
        if read.algorithm not in ALGORITHMS:
            raise Unauthorized(
                f'the token is signed with "{read.algorithm[:16]}"; expected one of'
                f" {', '.join(sorted(ALGORITHMS))}"
            )
        fitting = [
            index for index, each in enumerate(self._keys) if _fits(each, read.algorithm, read)
        ]
        if not fitting:
            raise Unauthorized("the token's issuer has no key of the token's key id and algorithm")
        library = await _library()
        for index in fitting[:_TRIED]:
            try:
                return self._decoded(library, token, index, read.algorithm)
            except library.InvalidSignatureError:
                continue
            except (library.PyJWTError, ValueError, TypeError, OverflowError) as error:
                raise Unauthorized(self._explained(library, error)) from error
        raise Unauthorized("the token's signature does not fit the key that it names")

    def _decoded(self, library: Any, token: str, index: int, algorithm: str) -> Mapping[str, Any]:
        key = self._loaded.get((index, algorithm))
        if key is None:
            key = library.PyJWK(self._keys[index], algorithm=algorithm)
            self._loaded[index, algorithm] = key
        # Keys that are too short are refused by the instance's options, claims by the call's.
        decoder = library.PyJWT({"enforce_minimum_key_length": True})
        claims: Mapping[str, Any] = decoder.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self._audience,
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
            library.InvalidKeyError: "the issuer's key for the token cannot be used",
            library.PyJWKError: "the issuer's key for the token cannot be used",
        }
        return texts.get(type(error), "the token is malformed")


def _fits(key: JsonObject, algorithm: str, read: Unverified) -> bool:
    """Whether a JWK may verify: of its id, for signatures, and made for the algorithm."""
    kind = str(key.get("kty", ""))
    curve = "" if kind == "RSA" else str(key.get("crv", ""))
    return (
        algorithm in _FITTING.get((kind, curve), ())
        and key.get("alg", algorithm) == algorithm
        and key.get("use", "sig") == "sig"
        and "verify" in key.get("key_ops", ("verify",))
        and (read.key_id is None or key.get("kid") == read.key_id)
    )


def _json(part: str) -> JsonObject | None:
    try:
        data = urlsafe_b64decode(part + "=" * (-len(part) % 4))
        return msgspec.json.decode(data, type=dict[str, Any])
    except (ValueError, binascii.Error, msgspec.DecodeError, RecursionError):
        return None


_imported: list[Any] = []


async def _library() -> Any:
    """Import the library when the first token comes: 9 MB that most idle pods never need."""
    if not _imported:
        # In a thread, because it takes a tenth of a second and other connections go on.
        _imported.append(await asyncio.to_thread(importlib.import_module, "jwt"))
    return _imported[0]
