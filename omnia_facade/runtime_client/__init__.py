"""The way to the runtime."""
