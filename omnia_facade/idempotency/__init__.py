"""Idempotency-Keys: a repeated call of a function is answered once."""
