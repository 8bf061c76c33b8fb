"""Signatures of agent cards (A2A 1.0.1, section 8.4): JWS over canonical JSON (RFC 7515, 8785)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from omnia_core.jsonvalue import JsonObject, json_bytes, parse_json

ALGORITHM = "ES256"
JWKS_PATH = "/.well-known/jwks.json"
_SIGNATURES = "signatures"
_EMPTY: tuple[Any, ...] = ("", [], {}, None)


class CardNotVerified(Exception):
    """No signature of the card is one of the known keys."""


def canonical(card: JsonObject) -> bytes:
    """Return the signed content of a card: canonical JSON without empty members.

    Raises:
        ValueError: the card has a number that JSON in general cannot carry.
    """
    import rfc8785  # noqa: PLC0415 - loaded where cards are signed

    unsigned = {name: value for name, value in card.items() if name != _SIGNATURES}
    return rfc8785.dumps(_without_empty(unsigned))


def new_key() -> str:
    """Return a new private key of the curve P-256, in PEM."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - as above
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_key(private_pem: str) -> JsonObject:
    """Return the public half as a JWK; its id is its thumbprint (RFC 7638).

    Raises:
        ValueError: this is no private key of the curve P-256.
    """
    from jwt.algorithms import ECAlgorithm  # noqa: PLC0415 - as above

    algorithm = ECAlgorithm(ECAlgorithm.SHA256)
    try:
        private = algorithm.prepare_key(private_pem)
        jwk: JsonObject = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)  # type: ignore[union-attr]
    except Exception as error:
        raise ValueError("expected a private key of the curve P-256, in PEM") from error
    if jwk.get("crv") != "P-256":
        raise ValueError(f"expected a key of the curve P-256, found {jwk.get('crv')}")
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    thumbprint = sha256(json_bytes(members, sort_keys=True)).digest()
    return {**members, "kid": _encoded(thumbprint), "use": "sig", "alg": ALGORITHM}


def signed(card: JsonObject, private_pem: str, jku: str) -> JsonObject:
    """Return the card with one more signature; `jku` is where the public key is published."""
    import jwt  # noqa: PLC0415 - as above

    protected = {"typ": "JOSE", "kid": public_key(private_pem)["kid"], "jku": jku}
    token = jwt.PyJWS().encode(canonical(card), private_pem, ALGORITHM, protected)
    head, _, signature = token.split(".")
    others = card.get(_SIGNATURES, [])
    return {**card, _SIGNATURES: [*others, {"protected": head, "signature": signature}]}


def verify(card: JsonObject, keys: Sequence[Mapping[str, Any]]) -> str:
    """Check that a card is signed with one of these JWKs; return the id of the key.

    Raises:
        CardNotVerified: it is not.
    """
    import jwt  # noqa: PLC0415 - as above

    known = {key["kid"]: key for key in keys if "kid" in key}
    signatures = card.get(_SIGNATURES)
    if not isinstance(signatures, list) or not signatures:
        raise CardNotVerified("the card has no signature")
    payload = _encoded(canonical(card))
    for signature in signatures:
        try:
            protected = signature["protected"]
            kid = parse_json(urlsafe_b64decode(protected + "=" * (-len(protected) % 4)))["kid"]
            key = jwt.PyJWK.from_dict({**known[kid]}, ALGORITHM)
            token = f"{protected}.{payload}.{signature['signature']}"
            jwt.PyJWS().decode(token, key, [ALGORITHM])
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            continue
        return str(kid)
    raise CardNotVerified("no signature of the card is one of the known keys")


def _without_empty(value: Any) -> Any:
    """Leave out what is empty, at every level: so the official SDKs verify a card.

    The specification keeps empty members that are required; no card of ours has one.
    """
    if isinstance(value, dict):
        items = ((name, _without_empty(item)) for name, item in value.items())
        return {name: item for name, item in items if item not in _EMPTY}
    if isinstance(value, list):
        return [item for item in map(_without_empty, value) if item not in _EMPTY]
    return value


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
