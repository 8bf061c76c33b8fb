"""The first words of a session, from its messages and from the beginning of a stored one."""

import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.sessions import Message, Session
from omnia_core.sessions.first_message import (
    MAX_CHARACTERS,
    RECORD_PREFIX,
    first_message,
    first_words,
    recorded_first_words,
)
from omnia_core.sessions.records import DeletedMessages

HELLO = Message(role="user", content="hello")


def record(content: str) -> bytes:
    return msgspec.json.encode(Message(role="user", content=content, user_id="mia"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Where is my parcel?", "Where is my parcel?"),
        ("  Hello,\r\n\r\n\twhere is it?\n", "Hello, where is it?"),
        ("a\0b\x1b[31mc\u2028d\u202ee", "a b [31mc d e"),
        ("क\u200cष 👩\u200d💻", "क\u200cष 👩\u200d💻"),
        ("x" * 200, "x" * 80),
        ("😀" * 200, "😀" * 80),
        ("\n" * 200 + "late", ""),
        ("", ""),
    ],
)
def test_first_words_are_the_beginning_on_one_line(text: str, words: str) -> None:
    assert first_words(text) == words
    assert recorded_first_words(record(text)[:RECORD_PREFIX]) == words
    assert recorded_first_words(record(text).decode()[:RECORD_PREFIX]) == words


@given(st.text(max_size=300))
def test_the_beginning_of_a_record_has_the_first_words_of_its_message(text: str) -> None:
    words = first_words(text)
    assert recorded_first_words(record(text)[:RECORD_PREFIX]) == words
    assert recorded_first_words(record(text).decode()[:RECORD_PREFIX]) == words
    assert len(words) <= MAX_CHARACTERS
    assert not any(unicodedata.category(each) in ("Cc", "Zl", "Zp") for each in words)


@given(st.binary(max_size=200), st.text(max_size=200))
def test_whatever_is_stored_its_first_words_are_a_text(raw: bytes, text: str) -> None:
    for each in (raw, b'{"role":"user","content":"' + raw, '{"role":"user","content":"' + text):
        assert len(recorded_first_words(each)) <= MAX_CHARACTERS


def test_a_record_of_another_writer_has_first_words_too() -> None:
    assert recorded_first_words(b'{"role": "user", "content": "\\u00dcber \\ud83d') == "Über"
    assert recorded_first_words('{"role":"user","content":"half \\u00') == "half"
    assert recorded_first_words('{"role":"assistant","content":"hi"}') == ""
    assert recorded_first_words(None) == ""


def test_a_session_has_the_first_words_of_its_user() -> None:
    greeting, later = Message(role="assistant", content="hi"), Message("user", "later")
    assert first_message(Session("a", (greeting, HELLO, later))) == "hello"
    assert first_message(Session("a", (greeting,))) == ""
    assert first_message(Session("a", (later,), deleted=DeletedMessages(2, 1))) == ""
