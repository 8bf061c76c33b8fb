"""Rollouts: what is rolled out over what, the machine that decides, the candidate, the requests."""
