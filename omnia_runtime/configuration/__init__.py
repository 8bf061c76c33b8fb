"""The configuration of the agent, read from the mounted files and reloaded."""
