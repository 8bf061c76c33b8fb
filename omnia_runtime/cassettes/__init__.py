"""Cassettes: answers of models and results of tools, recorded and replayed."""
