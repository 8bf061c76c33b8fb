"""Leader election: of several operators only the holder of the Lease acts."""

from omnia_operator.leader.election import Election, LeadershipLost

__all__ = ["Election", "LeadershipLost"]
