"""The connection of a program to MongoDB: its session store and its documents."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from beanie import Document, init_beanie
from pymongo import AsyncMongoClient

from omnia_core.errors import ConfigurationError
from omnia_core.sessions import SessionStore
from omnia_core.sessions.mongodb.client import DEFAULT_DATABASE, open_client
from omnia_runner.mongodb.documents import Message, Session, Summary, User
from omnia_runner.sessions import (
    DEFAULT_NAME,
    DEFAULT_NAMESPACE,
    DEFAULT_TTL,
    SessionManager,
    open_store,
)

# Beanie's own.
_INHERITED = frozenset({"revision_id"})


@dataclass(frozen=True)
class DocumentModels:
    """The document classes of a program, in place of ours. They may have more fields than these."""

    user: type[Document] = User
    session: type[Document] = Session
    message: type[Document] = Message
    summary: type[Document] = Summary

    def check(self) -> None:
        """Check that each class has what ours has.

        Raises:
            TypeError: names every missing field and method of every class.
        """
        problems = [
            problem
            for name, ours in _OURS.items()
            for problem in _problems(name, getattr(self, name), ours)
        ]
        if problems:
            raise TypeError("the document models do not fit: " + "; ".join(problems))


_OURS: dict[str, type[Document]] = {
    "user": User,
    "session": Session,
    "message": Message,
    "summary": Summary,
}


def _problems(name: str, model: Any, ours: type[Document]) -> Iterator[str]:
    if not (inspect.isclass(model) and issubclass(model, Document)):
        yield f"{name}: expected a class that extends beanie.Document, found {model!r}"
        return
    fields = [field for field in ours.model_fields if field not in _INHERITED]
    missing = [field for field in fields if field not in model.model_fields]
    methods = [each for each in vars(ours) if not each.startswith("_") and each.startswith("find_")]
    absent = [each for each in methods if not callable(getattr(model, each, None))]
    required = [
        field
        for field, info in model.model_fields.items()
        if field not in fields and field not in _INHERITED and info.is_required()
    ]
    for what, found in (
        ("has no field", missing),
        ("has no method", absent),
        ("needs a default, because the store makes the documents, for the field", required),
    ):
        if found:
            yield f"{name}: {model.__name__} {what} {', '.join(found)}"


class MongoBackendAdapter:
    """The MongoDB of a program: initialized once when it starts, shut down when it ends."""

    _store: SessionStore | None = None
    _client: AsyncMongoClient[dict[str, Any]] | None = None

    @classmethod
    async def initialize(
        cls,
        url: str,
        *,
        models: DocumentModels | None = None,
        ttl: str = DEFAULT_TTL,
        name: str = DEFAULT_NAME,
        namespace: str = DEFAULT_NAMESPACE,
    ) -> None:
        """Connect the documents and the session store.

        Args:
            url: its path names the database; `omnia` without one.
            models: document classes of the program.
            ttl: as for `open_store`, like the others.
            name: as above.
            namespace: as above.

        Raises:
            TypeError: the models lack something; nothing was connected.
            ConfigurationError: the URL is invalid, or this was called before.
        """
        models = models or DocumentModels()
        models.check()
        if cls._store is not None:
            raise ConfigurationError(
                "MongoBackendAdapter is initialized already: shut it down first"
            )
        store = open_store(url, ttl=ttl, name=name, namespace=namespace)
        client = open_client(url)
        try:
            await init_beanie(
                database=client.get_default_database(DEFAULT_DATABASE),
                document_models=[models.user, models.session, models.message, models.summary],
            )
        except BaseException:
            await client.close()
            raise
        cls._store, cls._client = store, client

    @classmethod
    def store(cls) -> SessionStore:
        """Return the session store.

        Raises:
            ConfigurationError: `initialize` was not called.
        """
        if cls._store is None:
            raise ConfigurationError(
                "MongoBackendAdapter is not initialized: call MongoBackendAdapter.initialize(url)"
            )
        return cls._store

    @classmethod
    async def shutdown(cls) -> None:
        """Close the connections; nothing happens when there are none."""
        store, client = cls._store, cls._client
        cls._store = cls._client = None
        if store:
            await store.close()
        if client:
            await client.close()


class MongoSessionManager(SessionManager):
    """One session of one user, in the MongoDB of the program."""

    def __init__(self, *, session_id: str | None = None, user: str = "") -> None:
        """Name the session.

        Raises:
            ConfigurationError: `MongoBackendAdapter.initialize` was not called.
        """
        super().__init__(MongoBackendAdapter.store(), session_id=session_id, user=user)
