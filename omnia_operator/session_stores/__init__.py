"""Whether the pods of agents reach their session stores, which only the pods can know."""

from omnia_operator.session_stores.pods import PodHealth
from omnia_operator.session_stores.state import PodReport, StoreState, next_state
from omnia_operator.session_stores.watch import SessionStores

__all__ = ["PodHealth", "PodReport", "SessionStores", "StoreState", "next_state"]
