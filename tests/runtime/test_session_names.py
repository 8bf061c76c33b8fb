"""Names of sessions: how they are made, cleaned and stored, and who is told."""

import asyncio
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.conversation.parts import Media, Part
from omnia_core.sessions import AuditTrail, Message, StoreUnavailable
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.units import Duration
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.agent.session_name import NameLimits, clean_name, first_words, make_name
from omnia_runtime.ports.model import Finished, ProviderError, TextDelta
from omnia_runtime.turns.naming import Naming, NamingTerms
from tests.runtime.program import LIMIT, Program, Stream, client
from tests.runtime.scripted import Mounted, Round, ScriptedModel, says
from tests.runtime.test_audit import shipped

LIMITS = NameLimits()
TALK = [Message("user", "Where is my parcel with the number 4711?")]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Lost parcel", "Lost parcel"),
        ('"Lost parcel".', "Lost parcel"),
        ("**Lost parcel**", "Lost parcel"),
        ("# Lost parcel\n\nIt is about a parcel.", "Lost parcel"),
        ("\n \n„Verlorenes Paket“", "Verlorenes Paket"),
        ("Learning C#", "Learning C#"),
        ("What is this?", "What is this?"),
        ("one two three four five six", "one two three four five"),
        (
            "Donaudampfschifffahrtsgesellschaft hat Mütze verloren",
            "Donaudampfschifffahrtsgesellschaft hat Mütze",
        ),
        ("x" * 60, "x" * 50),
        ("tab\tand\x07bell\x1b[31m", "tab andbell[31m"),
        ("over\u202eride \u2066x", "override x"),
        ("line\u2028separator", "line"),
        ("\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u200c\u062e\u0648"),
        ("half \ud800 pair", "half pair"),
        ('"…"', "…"),
        ("***", ""),
        (" \r\n\t", ""),
        ("", ""),
    ],
)
def test_a_name_is_one_short_line(text: str, name: str) -> None:
    assert clean_name(text, LIMITS) == name


@given(
    st.text(max_size=300),
    st.integers(1, 20),
    st.integers(5, 200),
)
def test_whatever_a_model_says_a_name_is_bounded_and_printable(
    text: str, words: int, length: int
) -> None:
    name = clean_name(text, NameLimits(words, length))
    assert len(name) <= length
    assert len(name.split()) <= words
    assert name == name.strip()
    assert name.splitlines() == ([name] if name else [])
    assert all(each in "\u200c\u200d" or unicodedata.category(each)[0] != "C" for each in name)
    assert clean_name(name, NameLimits(words, length)) == name
    name.encode()


def test_the_first_words_are_those_of_the_first_message_with_text() -> None:
    picture = Message("user", "", (Part("image", media=Media(url="https://x/y")),))
    assert first_words([picture, *TALK], LIMITS) == "Where is my parcel with"
    assert first_words([picture], LIMITS) == ""


async def test_a_model_reads_the_latest_notes_and_the_last_messages() -> None:
    model = ScriptedModel(says("Lost", " parcel\n"))
    notes = Message("summary", "Ada waits for a parcel.", covers=2)
    messages = [Message("user", f"message {number}") for number in range(30)]
    assert await make_name(model, [notes, *messages], NameLimits(3, 20)) == "Lost parcel"
    (request,) = model.requests
    assert "at most 3 words" in request.system
    content = request.messages[0].content
    assert "Ada waits for a parcel." in content
    assert "message 29" in content
    assert "message 19" not in content


def terms(*rounds: Round, every_turns: int = 20) -> NamingTerms:
    return NamingTerms(ScriptedModel(*rounds), every_turns)


@pytest.mark.parametrize(
    ("name", "turns", "due"),
    [
        ("", 1, True),
        ("", 7, True),
        ("n", 1, True),
        ("n", 2, False),
        ("n", 20, False),
        ("n", 21, True),
        ("n", 22, False),
        ("n", 41, True),
    ],
)
def test_a_session_is_named_in_its_first_turn_and_then_after_so_many(
    name: str, turns: int, due: bool
) -> None:
    assert terms().due(name, turns) is due


class Store(MemorySessionStore):
    """Keeps the trails of names; refuses them while `away`."""

    def __init__(self) -> None:
        super().__init__(Duration.parse("1h"))
        self.trails: list[AuditTrail | None] = []
        self.away = False

    async def rename(
        self, session_id: str, name: str, *, expected_name: str, audit: AuditTrail | None = None
    ) -> bool:
        if self.away:
            raise StoreUnavailable("gone")
        self.trails.append(audit)
        return await super().rename(session_id, name, expected_name=expected_name)


async def named(store: Store, naming: Naming, asked: NamingTerms, known: str = "") -> str:
    """Name session s; return the name that the store has."""
    async with asyncio.timeout(LIMIT):
        told = await naming.start("s", asked, known, TALK)
    session = await store.load("s")
    assert session
    assert told == session.name or store.away
    return session.name


@pytest.mark.parametrize(
    "failing",
    [
        [ProviderError("overloaded", retryable=True, status=529)],
        [Finished("stop")],
        [TextDelta("I cannot"), Finished("refusal")],
        [TextDelta("***"), Finished("stop")],
    ],
)
async def test_a_model_that_fails_leaves_the_name_or_the_first_words(failing: Round) -> None:
    store = Store()
    naming = Naming(store)
    await store.append("s", TALK, expected_length=0)
    assert await named(store, naming, terms(failing)) == "Where is my parcel with"
    assert await named(store, naming, terms(says("Lost parcel")), "Where is my parcel with") == (
        "Lost parcel"
    )
    assert await named(store, naming, terms(failing), "Lost parcel") == "Lost parcel"
    assert await named(store, naming, NamingTerms(None), "Lost parcel") == "Lost parcel"
    kinds = [[str(event.kind) for event in trail.events] for trail in store.trails if trail]
    assert ["name_made"] in kinds
    await naming.close()


async def test_the_call_that_makes_a_name_is_no_attempt_at_an_answer() -> None:
    store = Store()
    naming = Naming(store)
    await store.append("s", TALK, expected_length=0)
    asked = NamingTerms(shipped(ScriptedModel(says("Lost parcel")), "default"))
    assert await named(store, naming, asked) == "Lost parcel"
    (trail,) = store.trails
    assert trail
    assert [(each.attempt, each.cost_usd) for each in trail.provider_calls] == [(0, 0.5)]
    await naming.close()


async def test_a_name_that_is_not_stored_harms_nobody() -> None:
    store = Store()
    naming = Naming(store)
    await store.append("s", TALK, expected_length=0)
    store.away = True
    assert await named(store, naming, terms(says("Lost parcel"))) == ""
    await naming.close()


async def test_a_session_is_named_once_at_a_time() -> None:
    store, go_on = Store(), asyncio.Event()
    naming = Naming(store)
    await store.append("s", TALK, expected_length=0)
    asked = terms([go_on, *says("Lost parcel")])
    first, second = (naming.start("s", asked, "", TALK) for _ in range(2))
    assert first is second
    go_on.set()
    async with asyncio.timeout(LIMIT):
        assert await first == "Lost parcel"
    await naming.close()


Start = Callable[..., Program]


async def test_clients_are_told_the_name_with_the_end_of_a_turn_and_when_they_resume(
    mounted: Mounted, start: Start
) -> None:
    start(OMNIA_SESSION_NAMING="true", OMNIA_SESSION_NAMING_MAX_WORDS="2")
    async with client(mounted) as stub, asyncio.timeout(LIMIT):
        stream = Stream(stub)
        names = {(await stream.ask("hi"))[-1].done.session_name}
        # The name is made beside the answers, so it may not be there with the first ones.
        while "Hello there" not in names:
            names.add((await stream.ask("hi"))[-1].done.session_name)
        asked = pb.HasConversationRequest(session_id="s1")
        assert (await stub.HasConversation(asked)).session_name == "Hello there"
        assert names <= {"", "Hello there"}


async def test_without_the_provider_that_names_sessions_they_get_their_first_words(
    mounted: Mounted, start: Start
) -> None:
    program = start(OMNIA_SESSION_NAMING="true", OMNIA_SESSION_NAMING_PROVIDER="cheap")
    async with client(mounted) as stub, asyncio.timeout(LIMIT):
        stream = Stream(stub)
        name = ""
        while not name:
            name = (await stream.ask("Where is my parcel with 4711?"))[-1].done.session_name
    assert name == "Where is my parcel with"
    assert "sessions get their first words as a name" in program.errors.read_text()


async def test_sessions_have_no_names_unless_they_are_asked_for(
    mounted: Mounted, start: Start
) -> None:
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        for _ in range(2):
            assert (await stream.ask("hi"))[-1].done.session_name == ""
