"""The port of requests that are answered in front of a pod, whether it serves HTTP or not."""

from typing import Protocol

from omnia_core.http.head import RequestHead
from omnia_core.jsonvalue import JsonObject
from omnia_facade.auth.principal import Principal


class HeadRoute(Protocol):
    """Answers authenticated requests by their heads, and by bodies that are small."""

    @property
    def body_bytes(self) -> int:
        """The size of the largest body that it reads; with 0 bodies are discarded."""

    @property
    def status(self) -> int:
        """The status of its answers."""

    @property
    def hint(self) -> str:
        """What can be requested here, for the answer to a request for another path."""

    def serves(self, path: str) -> bool:
        """Whether this route serves a path, with any method."""

    async def answer(self, head: RequestHead, principal: Principal) -> JsonObject:
        """Return the body of an answer.

        Raises:
            HttpError: the request is answered with this error.
        """
