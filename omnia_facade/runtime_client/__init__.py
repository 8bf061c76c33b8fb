"""The client of the runtime."""
