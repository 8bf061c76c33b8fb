"""Metrics and audit records."""
