"""kopf's side: it watches, and hands every event on. Nothing of kopf goes further."""

from omnia_operator.handlers.events import register
from omnia_operator.handlers.tuning import tuned

__all__ = ["register", "tuned"]
