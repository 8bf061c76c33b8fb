"""Which resources have to be looked at again, and when."""

from omnia_operator.scheduling.intake import EventIntake
from omnia_operator.scheduling.queue import Item, WorkQueue
from omnia_operator.scheduling.queues import WorkQueues

__all__ = ["EventIntake", "Item", "WorkQueue", "WorkQueues"]
