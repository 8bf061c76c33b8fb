"""Replies in MongoDB, in the database of the sessions (`omnia_core/sessions`)."""

from datetime import timedelta
from functools import partial

from pymongo.errors import DuplicateKeyError

from omnia_core.sessions import StoreUnavailable
from omnia_core.sessions.mongodb.client import Collections, Document, MongoConnection
from omnia_core.sessions.mongodb.documents import now
from omnia_core.sessions.sweeping import SWEEP_SECONDS, BatchTask
from omnia_facade.idempotency.store import ExistingClaim, ReplyStore

# How often a claim begins again because another one changed the scope.
_TRIES = 5


class MongoReplyStore(ReplyStore):
    """Keeps replies in the collection `replies`, a document for each scope.

    Expired replies are deleted in the background after claims, once a minute.
    """

    def __init__(
        self, url: str, *, namespace: str, agent: str, sweep_seconds: float = SWEEP_SECONDS
    ) -> None:
        """Connect at the first use.

        Raises:
            ConfigurationError: `url` is not a MongoDB URL; the message does not show it.
        """
        self._connection = MongoConnection(url)
        self._owner = {"namespace": namespace, "agent": agent}
        self._sweep = BatchTask(self._delete_expired, seconds=sweep_seconds)

    async def claim(
        self, scope: bytes, fingerprint: bytes, holder: str, *, lease_seconds: float
    ) -> ExistingClaim | None:
        time = now()
        claim = {
            "_id": self._id(scope),
            **self._owner,
            "fingerprint": fingerprint,
            "holder": holder,
            "reply": None,
            "expires_at": time + timedelta(seconds=lease_seconds),
        }
        self._sweep.start_when_due()
        for _ in range(_TRIES):
            try:
                await self._connection.run(partial(_insert, claim))
            except DuplicateKeyError:
                found = await self._connection.run(partial(_find, claim))
            else:
                return None
            if found is None:
                continue
            if found["holder"] == holder:
                return None
            if found["expires_at"] > time:
                return ExistingClaim(found["fingerprint"], found["reply"])
            # It is free; of two who see this one replaces it.
            await self._connection.run(partial(_replace, found, claim))
        raise StoreUnavailable("other callers changed the claim all the time")

    async def find(self, scope: bytes) -> ExistingClaim | None:
        found = await self._connection.run(partial(_find, {"_id": self._id(scope)}))
        if found is None or found["expires_at"] <= now():
            return None
        return ExistingClaim(found["fingerprint"], found["reply"])

    async def keep(self, scope: bytes, holder: str, reply: bytes, *, ttl_seconds: float) -> None:
        kept = {"reply": reply, "expires_at": now() + timedelta(seconds=ttl_seconds)}
        wanted = {"_id": self._id(scope), "holder": holder}
        await self._connection.run(lambda found: found.replies.update_one(wanted, {"$set": kept}))

    async def release(self, scope: bytes, holder: str) -> None:
        wanted = {"_id": self._id(scope), "holder": holder, "reply": None}
        await self._connection.run(lambda found: found.replies.delete_many(wanted))

    async def close(self) -> None:
        await self._sweep.close()
        await self._connection.close()

    def _id(self, scope: bytes) -> str:
        return "/".join((*self._owner.values(), scope.hex()))

    async def _delete_expired(self) -> bool:
        over = {"expires_at": {"$lte": now()}}
        await self._connection.run(lambda found: found.replies.delete_many(over))
        return False


async def _insert(claim: Document, collections: Collections) -> None:
    await collections.replies.insert_one(claim)


async def _find(claim: Document, collections: Collections) -> Document | None:
    return await collections.replies.find_one({"_id": claim["_id"]})


async def _replace(found: Document, claim: Document, collections: Collections) -> None:
    wanted = {name: found[name] for name in ("_id", "holder", "expires_at")}
    await collections.replies.update_one(wanted, {"$set": claim})
