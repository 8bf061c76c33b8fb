"""The tools: one port, one manager, one adapter a file."""
