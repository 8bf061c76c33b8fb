"""Signatures of agent cards (A2A 1.0.1, section 8.4): JWS over canonical JSON (RFC 7515, 8785)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from omnia_core.jsonvalue import JsonObject, json_bytes, parse_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

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


def public_key(private_pem: str, key_id: str | None = None) -> JsonObject:
    """Return the public half as a JWK; its id is its thumbprint (RFC 7638) unless it has another.

    Raises:
        ValueError: this is no private key of the curve P-256.
    """
    numbers = _private_key(private_pem).public_key().public_numbers()
    x, y = (_encoded(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    members = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
    thumbprint = sha256(json_bytes(members, sort_keys=True)).digest()
    kid = key_id or _encoded(thumbprint)
    return {**members, "kid": kid, "use": "sig", "alg": ALGORITHM}


def signed(
    card: JsonObject, private_pem: str, jku: str, *, key_id: str | None = None
) -> JsonObject:
    """Return the card with one more signature.

    The same card and key give the same signature (RFC 6979): signing again changes nothing.

    Args:
        card: without empty members.
        private_pem: a private key of the curve P-256, in PEM.
        jku: where the public key is published, as a JWK Set.
        key_id: the `kid` of the public key; its thumbprint when None.

    Raises:
        ValueError: this is no such key.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - as above

    key = _private_key(private_pem)
    protected = {
        "alg": ALGORITHM,
        "jku": jku,
        "kid": key_id or public_key(private_pem)["kid"],
        "typ": "JOSE",
    }
    head = _encoded(json_bytes(protected))
    content = f"{head}.{_encoded(canonical(card))}".encode()
    pair = utils.decode_dss_signature(
        key.sign(content, ec.ECDSA(SHA256(), deterministic_signing=True))
    )
    # RFC 7518, section 3.4: both numbers with 32 bytes.
    raw = b"".join(number.to_bytes(32, "big") for number in pair)
    others = card.get(_SIGNATURES, [])
    return {**card, _SIGNATURES: [*others, {"protected": head, "signature": _encoded(raw)}]}


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


def _private_key(private_pem: str) -> "ec.EllipticCurvePrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - as above
        load_pem_private_key,
    )

    try:
        key = load_pem_private_key(private_pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("expected a private key of the curve P-256, in PEM") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("expected a private key of the curve P-256, found another kind")  # noqa: TRY004 - a value of a file
    return key


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
