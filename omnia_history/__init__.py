"""The history API: a separate process that reads the audit trail and never writes."""
