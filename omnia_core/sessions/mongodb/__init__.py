"""The session store in MongoDB."""
