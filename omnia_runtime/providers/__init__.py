"""The chat models: what all vendors share, and a folder for each vendor."""
