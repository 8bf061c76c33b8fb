"""JSON Web Tokens: which are believed."""

import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.warnings import InsecureKeyLengthWarning

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_core.tokens.jwt import TokenVerifier, Unauthorized, public_keys, read_unverified
from omnia_facade.auth.tokens import bearer_token
from tests.facade.signing import CURVES, ISSUER, Issuer, b64, forged

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", *CURVES, "EdDSA")

# RFC 7515, appendix A.2 (RS256) and A.3 (ES256); RFC 8037, appendix A (EdDSA).
RFC_RSA_KEY: JsonObject = {
    "kty": "RSA",
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1"
    "Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXn"
    "dS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJ"
    "H7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    "e": "AQAB",
}
RFC_EC_KEY: JsonObject = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
# Private keys: RFC 7520, section 3.2, and RFC 8037, appendix A.1.
RFC_PRIVATE_KEYS: dict[str, JsonObject] = {
    "ES512": {
        "kty": "EC",
        "kid": "bilbo.baggins@hobbiton.example",
        "use": "sig",
        "crv": "P-521",
        "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj"
        "0Kt",
        "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqH"
        "ZR1",
        "d": "AAhRON2r9cqXX1hg-RoI6R1tX5p2rUAYdmpHZoC1XNM56KtscrX6zbKipQrCW9CGZH3T4ubpnoTKLDYJ_fF3_"
        "rJt",
    },
    "EdDSA": {
        "kty": "OKP",
        "kid": "edwards",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    },
}
RFC_PAYLOAD = (
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
)
RFC_RSA_TOKEN = (
    f"eyJhbGciOiJSUzI1NiJ9.{RFC_PAYLOAD}."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2F"
    "p5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBM"
    "Hlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2"
    "w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)
RFC_EC_TOKEN = (
    f"eyJhbGciOiJFUzI1NiJ9.{RFC_PAYLOAD}."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
# Its payload is a sentence, and so no JSON Web Token; RFC 8037 has none.
RFC_OKP_TOKEN = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """An issuer with a key of each algorithm."""
    made = Issuer()
    for algorithm in ALGORITHMS:
        made.add(algorithm, algorithm)
    return made


async def verify(token: str, keys: list[JsonObject], audience: str = "agent") -> Any:
    read = read_unverified(token)
    assert read
    return await TokenVerifier(ISSUER, audience, keys).verify(token, read)


async def refused(token: str, keys: list[JsonObject], audience: str = "agent") -> str:
    with pytest.raises(Unauthorized) as caught:
        await verify(token, keys, audience)
    return str(caught.value)


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, ""),
        ({"authorization": "Bearer a.b.c"}, "a.b.c"),
        ({"authorization": "bEARER   a.b.c "}, "a.b.c"),
        ({"authorization": "Bearer"}, ""),
        ({"authorization": "Bearer "}, ""),
        ({"authorization": "Basic a.b.c"}, ""),
        ({"authorization": "a.b.c"}, ""),
        ({"sec-websocket-protocol": "omnia.v1, omnia.bearer.a.b.c"}, "a.b.c"),
        ({"sec-websocket-protocol": "omnia.bearer.a,omnia.bearer.b"}, "a"),
        ({"sec-websocket-protocol": "omnia.bearer."}, ""),
        ({"sec-websocket-protocol": "omnia.v1"}, ""),
        ({"": "omnia.bearer.a"}, ""),
        ({"authorization": "Bearer ", "sec-websocket-protocol": "omnia.bearer.a"}, "a"),
        ({"authorization": "Basic b", "sec-websocket-protocol": "omnia.bearer.a"}, "a"),
        ({"authorization": "Bearer b", "sec-websocket-protocol": "omnia.bearer.a"}, "b"),
    ],
)
def test_a_token_is_in_the_authorization_or_among_the_subprotocols(
    headers: dict[str, str], token: str
) -> None:
    assert bearer_token(headers) == token


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_token_of_every_algorithm_is_believed(issuer: Issuer, algorithm: str) -> None:
    token = issuer.sign(algorithm, groups=["a", "b"])

    assert (await verify(token, issuer.keys))["groups"] == ["a", "b"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_changed_token_is_not_believed(issuer: Issuer, algorithm: str) -> None:
    header, _, signature = issuer.sign(algorithm).split(".")
    other = issuer.sign(algorithm, sub="eve").split(".")[1]

    assert "signature" in await refused(f"{header}.{other}.{signature}", issuer.keys)


@pytest.mark.parametrize(
    ("token", "key"), [(RFC_RSA_TOKEN, RFC_RSA_KEY), (RFC_EC_TOKEN, RFC_EC_KEY)]
)
async def test_the_signatures_of_rfc_7515_are_good_and_its_tokens_are_for_nobody_here(
    token: str, key: JsonObject
) -> None:
    # The signature is checked before the claims: what lacks an audience is well signed.
    read = read_unverified(token)
    assert read
    with pytest.raises(Unauthorized, match='no claim "aud"'):
        await TokenVerifier("joe", "agent", [key]).verify(token, read)
    changed = f"{token.rsplit('.', 1)[0]}.{'A' * len(token.rsplit('.', 1)[1])}"
    with pytest.raises(Unauthorized, match="signature"):
        await TokenVerifier("joe", "agent", [key]).verify(changed, read)


@pytest.mark.parametrize("algorithm", RFC_PRIVATE_KEYS)
async def test_the_keys_of_rfc_7520_and_rfc_8037_work(algorithm: str) -> None:
    private = RFC_PRIVATE_KEYS[algorithm]
    public = {name: value for name, value in private.items() if name != "d"}
    key = jwt.PyJWK(private, algorithm)
    headers = {"kid": private["kid"]}

    token = jwt.encode(Issuer().claims("agent"), key.key, algorithm, headers)

    assert (await verify(token, [public]))["sub"] == "mia"


def test_what_is_signed_and_no_json_is_no_token() -> None:
    assert read_unverified(RFC_OKP_TOKEN) is None
    assert read_unverified("a-client-key") is None
    assert read_unverified("a.b.c") is None
    assert read_unverified(f"{b64(b'[]')}.{b64(b'{}')}.") is None
    assert read_unverified(forged({"alg": "ES256"}, {"exp": float("inf")})) is None
    deep = b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    assert read_unverified(f"{b64(b'{}')}.{b64(deep)}.") is None


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": int(time.time()) - 31}, "the token has expired"),
        ({"exp": None}, 'no claim "exp"'),
        ({"exp": "soon"}, "malformed"),
        ({"nbf": int(time.time()) + 86_400}, "not valid yet"),
        ({"aud": "another"}, "for another audience; expected agent"),
        ({"aud": ["another", "agents"]}, "for another audience"),
        ({"aud": "agen"}, "for another audience"),
        ({"aud": None}, 'no claim "aud"'),
        ({"iss": "https://issuer.example/"}, "malformed"),
    ],
)
async def test_claims_that_are_not_good_are_named(
    issuer: Issuer, claims: dict[str, object], message: str
) -> None:
    assert message in await refused(issuer.sign("ES256", **{"aud": "agent", **claims}), issuer.keys)


async def test_clocks_may_differ_by_half_a_minute(issuer: Issuer) -> None:
    now = int(time.time())

    assert await verify(issuer.sign("ES256", exp=now - 20), issuer.keys)
    assert "expired" in await refused(issuer.sign("ES256", exp=now - 30), issuer.keys)
    assert await verify(issuer.sign("ES256", nbf=now + 30), issuer.keys)


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "HS512", "ES256K", ""])
async def test_what_anyone_could_have_signed_is_refused(issuer: Issuer, algorithm: str) -> None:
    token = forged({"alg": algorithm, "kid": "RS256"}, issuer.claims("agent"))

    assert "expected one of ES256" in await refused(token, issuer.keys)


async def test_of_an_algorithm_that_is_unknown_16_characters_are_shown(issuer: Issuer) -> None:
    token = forged({"alg": "A" * 15 + "BC"}, issuer.claims("agent"))

    assert f'signed with "{"A" * 15}B"; expected' in await refused(token, issuer.keys)


async def test_a_public_key_is_nobodys_secret(issuer: Issuer) -> None:
    public = issuer.private["RS256"][1].public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    token = forged({"alg": "HS256", "kid": "RS256"}, issuer.claims("agent"), pem)
    oct_key = {"kty": "oct", "kid": "RS256", "k": b64(pem)}

    assert 'signed with "HS256"' in await refused(token, issuer.keys)
    assert 'signed with "HS256"' in await refused(token, [oct_key])


async def test_a_key_that_was_withdrawn_signs_nothing_any_more() -> None:
    issuer = Issuer().add("old")
    token = issuer.sign("old")
    assert await verify(token, issuer.keys)

    issuer.keys.clear()
    issuer.add("new")

    assert "has no key with its key id" in await refused(token, issuer.keys)
    assert await verify(issuer.sign("new"), issuer.keys)


async def test_a_key_that_is_too_short_is_not_used() -> None:
    issuer = Issuer().add("short", "RS256", bits=1024)
    with pytest.warns(InsecureKeyLengthWarning):
        token = issuer.sign("short")

    assert "the key of the issuer for the token cannot be used" in await refused(token, issuer.keys)


async def test_a_token_without_key_id_is_tried_with_eight_keys_at_most() -> None:
    issuer = Issuer()
    for number in range(9):
        issuer.add(str(number))
    claims = issuer.claims("agent")

    def unnamed(key: int) -> str:
        return jwt.encode(claims, issuer.private[str(key)][1], "ES256")

    assert await verify(unnamed(7), issuer.keys)
    assert "does not match" in await refused(unnamed(8), issuer.keys)


async def test_a_token_without_key_id_is_tried_with_the_keys_that_fit() -> None:
    issuer = Issuer().add("other", "RS256").add("one").add("two")

    unnamed = jwt.encode(issuer.claims("agent"), issuer.private["two"][1], "ES256")

    assert await verify(unnamed, issuer.keys)


@pytest.mark.parametrize("fields", [{"use": "enc"}, {"alg": "ES384"}, {"key_ops": ["sign"]}])
async def test_a_key_for_something_else_verifies_nothing(fields: dict[str, Any]) -> None:
    issuer = Issuer().add("one", **fields)

    assert "no key" in await refused(issuer.sign("one"), issuer.keys)


async def test_a_key_that_is_broken_is_not_the_callers_fault() -> None:
    issuer = Issuer().add("one", x="AAAA")

    assert "cannot be used" in await refused(issuer.sign("one"), issuer.keys)


async def test_a_critical_extension_that_nobody_understands_is_refused(issuer: Issuer) -> None:
    algorithm, key = issuer.private["ES256"]
    headers = {"kid": "ES256", "crit": ["exp"], "exp": 1}
    token = jwt.encode(issuer.claims("agent"), key, algorithm, headers)

    assert "malformed" in await refused(token, issuer.keys)


RSA_KEY: JsonObject = {"kty": "RSA", "kid": "r", "n": "AQ", "e": "AQAB"}
EC_KEY: JsonObject = {"kty": "EC", "kid": "e", "crv": "P-256", "x": "AQ", "y": "AQ"}
OKP_KEY: JsonObject = {"kty": "OKP", "kid": "o", "crv": "Ed25519", "x": "AQ"}


def test_the_public_members_of_signature_keys_are_kept() -> None:
    more: JsonObject = {"use": "sig", "alg": "RS256", "key_ops": ["verify"]}
    private: JsonObject = {"d": "AQ", "p": "AQ", "q": "AQ", "dp": "AQ", "k": "AQ", "x5c": ["AQ"]}
    keys = [{**RSA_KEY, **more, **private}, {**EC_KEY, **private}, {**OKP_KEY, **private}]
    assert public_keys({"keys": keys}) == ({**RSA_KEY, **more}, EC_KEY, OKP_KEY)


def test_keys_for_other_things_are_left_out() -> None:
    others: list[Any] = [{"kty": "oct", "k": "AQ"}, {**EC_KEY, "use": "enc"}, "text", None, {}]
    assert public_keys({"keys": [*others, EC_KEY]}) == (EC_KEY,)


@pytest.mark.parametrize(
    "jwks", [{}, {"keys": []}, {"keys": {}}, {"keys": [{"kty": "oct"}]}, {"keys": None}]
)
def test_an_issuer_without_a_usable_key_is_named(jwks: JsonObject) -> None:
    with pytest.raises(ConfigurationError, match="publishes no RSA, EC or OKP key"):
        public_keys(jwks)


@pytest.mark.parametrize(
    ("header", "claims", "expected"),
    [
        ({"alg": "ES256", "kid": "k"}, {"iss": "i", "aud": "a"}, ("ES256", "k", "i", ("a",))),
        ({"alg": "ES256", "kid": 7}, {"aud": ["a", 1, "b"]}, ("ES256", None, "", ("a", "b"))),
        ({}, {}, ("None", None, "", ())),
    ],
)
def test_what_a_token_claims_is_read(
    header: JsonObject, claims: JsonObject, expected: tuple[object, ...]
) -> None:
    read = read_unverified(forged(header, claims))
    assert read
    assert (read.algorithm, read.key_id, read.issuer, read.audiences) == expected


@pytest.mark.parametrize(
    "token", ["", "a", "a.b", "e30.e30", "e30.e30.a.b", "e30.W10.", "W10.e30."]
)
def test_what_has_not_three_parts_with_objects_is_no_token(token: str) -> None:
    assert read_unverified(token) is None
