"""The facade's side of a rollout: the mounted files, and the door of the candidate's pods."""
