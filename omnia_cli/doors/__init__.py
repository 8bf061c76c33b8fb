"""Clients of the protocols by which an agent is reached, for `omnia chat --via`."""
