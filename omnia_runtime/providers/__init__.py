"""The models: one port, one vendor a file."""
