"""Which resources have to be reconciled, and when."""

from omnia_operator.scheduling.intake import EventIntake
from omnia_operator.scheduling.queue import Requeue, WorkQueue, WorkQueues

__all__ = ["EventIntake", "Requeue", "WorkQueue", "WorkQueues"]
