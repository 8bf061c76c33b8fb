"""The history API: a process of its own that reads the audit trail, and writes nothing."""
