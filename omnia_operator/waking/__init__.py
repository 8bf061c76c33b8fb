"""Which resources have to be looked at again, and when."""

from omnia_operator.waking.inbox import Inbox
from omnia_operator.waking.queue import Item, WorkQueue
from omnia_operator.waking.queues import WorkQueues

__all__ = ["Inbox", "Item", "WorkQueue", "WorkQueues"]
