"""Typed calls of an agent."""
