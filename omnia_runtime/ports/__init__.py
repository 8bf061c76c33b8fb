"""The ports of the agent loop: the model, the tools, and the listener of a turn."""
