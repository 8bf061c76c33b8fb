"""What a turn says, noted for whoever ends it early, and passed on."""

from omnia_runtime.ports.listener import AgentEvent, Listener
from omnia_runtime.turns.checkpoints import Checkpoints
from omnia_runtime.turns.turn import Turn


class Noted:
    """A listener before a listener."""

    __slots__ = ("_checkpoints", "_listener", "_said")

    def __init__(self, turn: Turn, checkpoints: Checkpoints, listener: Listener) -> None:
        self._said = turn.said
        self._checkpoints = checkpoints
        self._listener = listener

    def say(self, text: str) -> bool:
        self._said.append(text)
        self._checkpoints.note()
        return self._listener.say(text)

    async def room(self) -> None:
        await self._listener.room()

    async def tell(self, event: AgentEvent) -> None:
        self._checkpoints.note()
        await self._listener.tell(event)
