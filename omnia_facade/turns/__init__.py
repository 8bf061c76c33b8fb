"""The backends: the runtime, and two without a runtime."""
