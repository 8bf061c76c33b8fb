"""The session store in Redis."""
