"""One operator of several acts: the one that holds the Lease."""

from omnia_operator.leader.election import Election, LeadershipLost

__all__ = ["Election", "LeadershipLost"]
