"""The port between a client's connection and the backend that answers it."""
