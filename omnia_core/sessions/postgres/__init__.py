"""The session store in PostgreSQL."""
