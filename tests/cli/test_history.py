"""What `omnia sessions` says of an address or a token that cannot be used."""

import pytest

from omnia_cli.evaluation.recorded import Chosen, read_sessions
from omnia_cli.history import HistoryClient, HistoryFailed, Records
from omnia_cli.session_lines import table, transcript_lines
from omnia_core.conversation.usage import Usage
from omnia_core.jsonvalue import JsonObject


@pytest.mark.parametrize("url", ["http://[::1", "http://h:many", "localhost:8090", "https://"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(HistoryFailed, match="expected http://host"):
        HistoryClient(url, None).session("s")


@pytest.mark.parametrize("token", ["s3cret\n", "s3crét"])
def test_a_token_that_is_none_is_told_and_not_shown(token: str) -> None:
    with pytest.raises(HistoryFailed, match="printable ASCII") as refused:
        HistoryClient("http://127.0.0.1:1", token).session("s")
    assert "s3cr" not in str(refused.value)


class Kept(HistoryClient):
    """The history of one session, in which a model also made a name."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", None)

    def session(self, session_id: str) -> JsonObject:
        return {"id": session_id, "agent": "orders", "name": "A name", "turns": 1}

    def records(self, session_id: str, kind: str, after: str = "") -> Records:
        assert (session_id, after) == ("s", "")
        call: JsonObject = {"turn": 1, "input_tokens": 1, "output_tokens": 2, "cached_tokens": 0}
        call |= {"duration_ms": 5.0}
        found: dict[str, list[JsonObject]] = {
            "messages": [
                {"position": 0, "message": {"role": "user", "content": "a"}},
                {"position": 1, "message": {"role": "assistant", "content": "b"}},
            ],
            "provider-calls": [
                {**call, "attempt": 1, "cost_usd": 0.25},
                {**call, "attempt": 0, "cost_usd": 9.0},
            ],
        }
        return Records(found.get(kind, []), "")


def test_what_made_a_name_is_no_part_of_what_a_turn_cost() -> None:
    (read,) = read_sessions(Kept(), Chosen(("s",)), "")
    about = read.session.turns[1]
    assert (about.usage, about.model_ms) == (Usage(1, 2, 0, 0.25), 5.0)


def test_a_list_has_first_words_in_place_of_a_name() -> None:
    listed = [
        {"id": "s1", "name": "Lost parcel", "first_message": "Where is it?"},
        {"id": "s2", "name": "", "first_message": "Where is my parcel?"},
        {"id": "s3", "name": ""},
    ]
    assert [line.split(None, 1) for line in table(listed)][1:] == [
        ["s1", "Lost parcel"],
        ["s2", "Where is my parcel?"],
        ["s3"],
    ]


def test_agents_of_a_list_have_their_namespaces_where_there_are_several() -> None:
    listed = [
        {"id": "s1", "namespace": "east", "agent": "twin"},
        {"id": "s2", "namespace": "west", "agent": "twin"},
    ]
    assert [line.split() for line in table(listed)][1:] == [
        ["east/twin", "s1"],
        ["west/twin", "s2"],
    ]
    assert [line.split() for line in table(listed[:1])][1:] == [["twin", "s1"]]


def test_lines_say_with_which_variables_a_message_came() -> None:
    sent: list[JsonObject] = [
        {
            "stored_at": "2026-03-01T12:00:00Z",
            "message": {"role": "user", "content": "hi", "variables": {"plan": "go\x1bld"}},
        }
    ]
    (line,) = transcript_lines({"messages": sent})
    assert line.endswith("user: hi [plan=go\u241bld]")


def test_lines_say_what_a_call_of_a_model_was_for() -> None:
    made: JsonObject = {
        "began_at": "2026-03-01T12:00:00Z",
        "provider": "p",
        "model": "m",
        "fault": "",
    }
    made |= {"status": "success", "duration_ms": 5.0, "cost_usd": 0.25}
    made |= {"input_tokens": 1, "output_tokens": 2}
    calls: list[JsonObject] = [
        {**made, "attempt": 1, "first_word_ms": 3.2},
        {**made, "attempt": 0, "first_word_ms": None},
    ]
    answer, name = transcript_lines({"provider-calls": calls})
    assert "model p/m attempt 1: success, 5 ms (first word after 3 ms), 1 in" in answer
    assert "model p/m for a name or a summary: success, 5 ms, 1 in" in name
