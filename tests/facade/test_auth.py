"""The chain of validators."""

from collections.abc import Mapping

import pytest

from omnia_core.http.head import parse_head
from omnia_facade.auth.chain import Authenticator, Unauthorized
from omnia_facade.auth.principal import ANONYMOUS, Principal


class Token:
    """Knows one token, by its scheme."""

    def __init__(self, scheme: str, subject: str) -> None:
        self._scheme = scheme
        self._subject = subject

    @property
    def expected(self) -> str:
        return f"{self._scheme} TOKEN"

    async def validate(self, headers: Mapping[str, str]) -> Principal | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme != self._scheme:
            return None
        if token != "good":
            raise Unauthorized("the token is not good")
        return Principal(self._subject)


CHAIN = (Token("One", "mia"), Token("Two", "ben"))


@pytest.mark.parametrize(
    ("header", "open_to_all", "expected"),
    [
        ("One good", False, Principal("mia")),
        ("Two good", False, Principal("ben")),
        ("Two bad", False, "not good"),
        ("Two bad", True, "not good"),
        ("Three good", False, "no credential .*; accepted: One TOKEN; Two TOKEN"),
        ("Three good", True, ANONYMOUS),
    ],
)
async def test_the_first_validator_that_knows_the_credential_decides(
    header: str, open_to_all: bool, expected: Principal | str
) -> None:
    chain = Authenticator(CHAIN, allow_unauthenticated=open_to_all)
    if isinstance(expected, Principal):
        assert await chain.authenticate({"authorization": header}) == expected
        return
    with pytest.raises(Unauthorized, match=expected):
        await chain.authenticate({"authorization": header})


async def test_without_validators_nobody_is_let_in() -> None:
    with pytest.raises(Unauthorized):
        await Authenticator((), allow_unauthenticated=False).authenticate({})


def test_a_name_in_a_header_reads_the_same_for_conversations_and_functions() -> None:
    # aiohttp, which reads the headers of functions, takes them for UTF-8.
    head = parse_head("GET /ws HTTP/1.1\r\nX-User-Id: Müller".encode() + b"\xff")

    assert head
    assert head.headers == {"x-user-id": "Müller\udcff"}


def test_a_header_that_comes_twice_shows() -> None:
    head = parse_head(b"GET /ws HTTP/1.1\r\nX-User-Id: eve\r\nx-user-id: mia")

    assert head
    assert head.headers == {"x-user-id": "eve, mia"}
