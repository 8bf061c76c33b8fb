"""The port of the facade: admits, rejects and routes connections."""
