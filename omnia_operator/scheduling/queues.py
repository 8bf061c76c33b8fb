"""Two queues: asking tool servers takes seconds, and holds up nothing else."""

import asyncio

from omnia_operator.cluster.kinds import TOOL_REGISTRY
from omnia_operator.scheduling.queue import Item, Work, WorkQueue

# Its work is waiting for others.
_ASKING = 32


class WorkQueues:
    """Delivers items to workers: ToolRegistries to their own."""

    def __init__(self, work: Work) -> None:
        self._others = WorkQueue(work)
        self._asking = WorkQueue(work)

    @property
    def depth(self) -> int:
        """How many items wait for a worker."""
        return self._others.depth + self._asking.depth

    def add(self, item: Item, delay: float = 0.0) -> None:
        """Work on an item soon. What is due earlier stays due earlier."""
        queue = self._asking if item.kind == TOOL_REGISTRY else self._others
        queue.add(item, delay)

    async def run(self) -> None:
        """Work until cancelled; questions to tool servers are then dropped."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._others.run())
            group.create_task(self._asking.run(_ASKING, finish=False))
