"""The mounted files: written by the operator, read by the facade and the runtime."""
