"""The session store in an SQLite file."""
