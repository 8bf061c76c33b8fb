"""Agent cards: their content, and signatures that a changed byte breaks."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.cards.card import CardContent, CardSkill, card_document
from omnia_core.cards.signature import CardNotVerified, new_key, public_key, signed, verify
from omnia_core.files.auth import AuthFile, ClientKeyAuth, EdgeTrust, OidcAuth

URL = "https://agents.example.com/refunds"
CONTENT = CardContent(
    name="Refünds",
    description="Answers questions about refunds",
    version="1.2.0",
    skills=(
        CardSkill("refunds", "Refunds", "Answers", ("refunds",), ("Where is my money?",)),
        CardSkill("audit", "Audit", "For staff", ("audit",), private=True),
    ),
    organization="Example Ltd",
)
AUTH = AuthFile(client_keys=ClientKeyAuth(), oidc=OidcAuth("https://id.example.com/", "refunds"))
KEY = new_key()
CARD = signed(card_document(CONTENT, AUTH, URL), KEY, f"{URL}/.well-known/jwks.json")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all strings of a document."""
    if isinstance(value, dict):
        return [place for key, item in value.items() for place in places(item, (*path, key))]
    if isinstance(value, list):
        return [place for key, item in enumerate(value) for place in places(item, (*path, key))]
    return [path] if isinstance(value, str) else []


def test_a_card_names_its_addresses_credentials_and_public_skills() -> None:
    card = card_document(CONTENT, AUTH, f"{URL}/")
    assert [(i["protocolBinding"], i["protocolVersion"]) for i in card["supportedInterfaces"]] == [
        ("JSONRPC", "1.0"),
        ("HTTP+JSON", "1.0"),
        ("JSONRPC", "0.3"),
    ]
    assert card["supportedInterfaces"][1]["url"] == f"{URL}/a2a/v1"
    assert [skill["id"] for skill in card["skills"]] == ["refunds"]
    assert card["securitySchemes"]["openid"]["openIdConnectSecurityScheme"] == {
        "openIdConnectUrl": "https://id.example.com/.well-known/openid-configuration"
    }
    assert len(card["securityRequirements"]) == 2
    extended = card_document(CONTENT, AUTH, URL, extended=True)
    assert [skill["id"] for skill in extended["skills"]] == ["refunds", "audit"]


@pytest.mark.parametrize("auth", [None, AuthFile(edge_trust=EdgeTrust())])
def test_a_card_asks_for_nothing_where_nothing_is_needed_or_a_proxy_decides(
    auth: AuthFile | None,
) -> None:
    assert "securitySchemes" not in card_document(CONTENT, auth, URL)


def test_a_signature_is_verified_with_the_published_key_only() -> None:
    assert verify(CARD, [public_key(KEY)]) == public_key(KEY)["kid"]
    with pytest.raises(CardNotVerified):
        verify(CARD, [public_key(new_key())])
    with pytest.raises(CardNotVerified):
        verify(card_document(CONTENT, AUTH, URL), [public_key(KEY)])


def test_signing_again_changes_nothing() -> None:
    assert signed(card_document(CONTENT, AUTH, URL), KEY, f"{URL}/.well-known/jwks.json") == CARD


def test_a_key_in_use_and_the_next_one_both_sign() -> None:
    following = new_key()
    card = signed(CARD, following, URL)
    assert verify(card, [public_key(following)])
    assert verify(card, [public_key(KEY)])


@pytest.mark.parametrize("key", ["", "-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="P-256"):
        public_key(key)


@given(st.sampled_from(places({k: v for k, v in CARD.items() if k != "signatures"})), st.data())
def test_a_changed_character_anywhere_breaks_the_signature(
    place: tuple[Any, ...], data: st.DataObject
) -> None:
    card = copy.deepcopy(CARD)
    inner: Any = card
    for key in place[:-1]:
        inner = inner[key]
    text = inner[place[-1]]
    position = data.draw(st.integers(0, len(text) - 1))
    inner[place[-1]] = text[:position] + chr(ord(text[position]) ^ 1) + text[position + 1 :]
    with pytest.raises(CardNotVerified):
        verify(card, [public_key(KEY)])


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_signature_of_a_stranger_is_refused_without_a_crash(head: str, end: str) -> None:
    card = {**CARD, "signatures": [{"protected": head, "signature": end}, head, None]}
    with pytest.raises(CardNotVerified):
        verify(card, [public_key(KEY)])
