"""Files that clients upload, then refer to in messages."""
