"""The library with MongoDB: documents of the program, and sessions that the store writes."""

from pathlib import Path

import pytest
from beanie import Document

from omnia_runner import (
    Agent,
    ConfigurationError,
    DocumentModels,
    MongoBackendAdapter,
    MongoSessionManager,
    Runner,
)
from omnia_runner.mongodb.documents import Message, Session, Summary, User
from tests.runner.test_runner import agent_with
from tests.services import MongoServer, free_port


class StarredSession(Session):
    starred: bool = False


class Bare(Document):
    session_id: str
    added: str


def test_every_field_and_method_that_models_lack_is_in_one_error() -> None:
    models = DocumentModels(session=Bare, summary=str)  # type: ignore[arg-type]
    with pytest.raises(TypeError) as caught:
        models.check()
    text = str(caught.value)
    assert "session: Bare has no field namespace, agent, user_id, name" in text
    assert "session: Bare has no method find_session, find_sessions_of" in text
    assert "for the field added" in text
    assert "summary: expected a class that extends beanie.Document, found <class 'str'>" in text


async def test_wrong_models_connect_nothing() -> None:
    # Nothing listens there: an attempt to connect would be another error, and later.
    url = f"mongodb://127.0.0.1:{free_port()}/omnia"
    with pytest.raises(TypeError, match="the document models do not fit"):
        await MongoBackendAdapter.initialize(url, models=DocumentModels(user=Bare))
    with pytest.raises(ConfigurationError, match="is not initialized"):
        MongoSessionManager()


async def test_documents_show_what_was_said_and_keep_the_programs_own_fields(
    mongo: MongoServer, tmp_path: Path
) -> None:
    models = DocumentModels(session=StarredSession)
    await MongoBackendAdapter.initialize(mongo.url, models=models, name="shop")
    try:
        with pytest.raises(ConfigurationError, match="initialized already"):
            await MongoBackendAdapter.initialize(mongo.url)
        async with agent_with(tmp_path, {"defaultResponse": "Hello."}) as agent:
            sessions = MongoSessionManager(user="u1")
            assert (await Runner(agent, sessions).run("one")).text == "Hello."
            found = await StarredSession.find_session(sessions.session_id, name="shop")
            assert found is not None
            assert (found.user_id, found.starred, found.turns) == ("u1", False, 1)
            await found.set({"starred": True})
            await Runner(agent, sessions).run("two")
        (again,) = await StarredSession.find_sessions_of("u1", name="shop")
        assert (again.starred, again.turns, again.length) == (True, 2, 4)
        appends = await Message.find_messages_of(again.id)
        said = [message["content"] for append in appends for message in append.messages]
        assert said == ["one", "Hello.", "two", "Hello."]
        user = await User.find_user("u1", name="shop")
        assert user is not None
        assert user.first_seen <= user.last_seen
        assert await Summary.find_latest_of(again.id) is None
    finally:
        await MongoBackendAdapter.shutdown()
    with pytest.raises(ConfigurationError, match="is not initialized"):
        MongoSessionManager()


async def test_finish_comes_when_another_client_can_read_the_turn(
    mongo: MongoServer, tmp_path: Path
) -> None:
    await MongoBackendAdapter.initialize(mongo.url, name="finish")
    try:
        async with agent_with(tmp_path, {"defaultResponse": "kept"}) as agent:
            sessions = MongoSessionManager()
            stream, done = await Runner(agent, sessions).run_stream("keep")
            seen: list[str] = []
            async for text in stream:
                if '"type":"finish"' in text:
                    found = await Session.find_session(sessions.session_id, name="finish")
                    assert found is not None
                    appends = await Message.find_messages_of(found.id)
                    seen = [m["content"] for append in appends for m in append.messages]
            await done
        assert seen == ["keep", "kept"]
    finally:
        await MongoBackendAdapter.shutdown()


def test_an_agent_needs_no_mongodb() -> None:
    assert Agent("a", "b", "mock:m").name == "a"
