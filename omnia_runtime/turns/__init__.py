"""Turns of sessions and function calls: load, run the agent, store."""
