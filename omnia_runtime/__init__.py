"""Turns in, calls to models and tools out."""
