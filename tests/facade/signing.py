"""An issuer of tokens, as an OpenID provider or a cluster is one."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from omnia_core.jsonvalue import JsonObject

ISSUER = "https://issuer.example"
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Makes keys and signs claims with them."""

    def __init__(self, url: str = ISSUER) -> None:
        self.url = url
        self.private: dict[str, tuple[str, Any]] = {}
        self.keys: list[JsonObject] = []

    def add(
        self, kid: str, algorithm: str = "ES256", *, bits: int = 2048, **fields: object
    ) -> "Issuer":
        """Make a key, and publish it; `bits` is the length of an RSA key."""
        if algorithm in CURVES:
            curve = ec.generate_private_key(CURVES[algorithm])
            self.private[kid] = algorithm, curve
            public = ECAlgorithm.to_jwk(curve.public_key(), as_dict=True)
        elif algorithm == "EdDSA":
            edwards = ed25519.Ed25519PrivateKey.generate()
            self.private[kid] = algorithm, edwards
            public = OKPAlgorithm.to_jwk(edwards.public_key(), as_dict=True)
        else:
            modulus = rsa.generate_private_key(65537, bits)
            self.private[kid] = algorithm, modulus
            public = RSAAlgorithm.to_jwk(modulus.public_key(), as_dict=True)
        known = {name: value for name, value in public.items() if name != "key_ops"}
        self.keys.append({**known, "kid": kid, "use": "sig", **fields})
        return self

    def sign(self, kid: str, audience: object = "agent", **claims: object) -> str:
        """Sign a token that holds for a minute; a claim that is None is left out."""
        algorithm, key = self.private[kid]
        return jwt.encode(self.claims(audience, **claims), key, algorithm, {"kid": kid})

    def claims(self, audience: object, **claims: object) -> dict[str, Any]:
        now = int(time.time())
        given = {"iss": self.url, "aud": audience, "sub": "mia", "iat": now, "exp": now + 3600}
        return {name: each for name, each in {**given, **claims}.items() if each is not None}


def forged(header: JsonObject, claims: JsonObject, secret: bytes | None = None) -> str:
    """Put a token together by hand; with a secret it is signed by HMAC."""
    signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    signature = b"" if secret is None else hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{b64(signature)}"


def bearing(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}
