"""The tools of an agent: what all handlers share, and a folder for each kind of handler."""
